using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Proofs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Text from a workspace reaches rows cleaned and truncated: no answer makes a run retry for minutes, or shows the database's error.</summary>
public sealed class ForeignTextTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>On a busy machine; a run that retries again and again takes twice as long.</summary>
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(60);

    /// <summary>Refused by PostgreSQL as text (22021) and as too long (22001); an unpaired surrogate is refused before it is sent.</summary>
    private static readonly string Hostile = "bad\0text\ud800" + new string('y', 1 << 20);

    [Fact]
    public async Task Proof_BrokenWithHostileWords_FailsTheRunAtOnceWithThem()
    {
        var view = await RunAsync(c => c.Proof = _ => new ProofOutcome.Broken(Hostile, Hostile));

        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.FailedStep.ShouldBe(StepKey.ProveNotebook);
        view.Run.Cause!.ShouldStartWith("bad\uFFFDtext\uFFFDyyy");
        view.Run.Remedy!.ShouldStartWith("bad\uFFFDtext\uFFFDyyy");
    }

    [Fact]
    public async Task Proof_NotYetWithHostileWords_WaitsAndIsProven()
    {
        var asked = 0;
        var view = await RunAsync(c => c.Proof = _ => ++asked < 3 ? new ProofOutcome.NotYet(Hostile, WebUnavailable: true) : new ProofOutcome.Proven());

        view.Status.ShouldBe(WorkspaceStatus.Ready);
    }

    [Fact]
    public async Task Node_ThatDiesWithHostileWords_FailsTheRunAtOnceWithThem()
    {
        var view = await RunAsync(c => (c.Dies, c.Tail) = (_ => (3, false), [Hostile]));

        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.Cause!.ShouldContain("exit code 3");
        view.Run.Cause!.ShouldContain("bad\uFFFDtext\uFFFDyyy");
    }

    [Fact]
    public async Task Step_ThatThrowsHostileWords_SaysThemWithoutTheDatabases()
    {
        var view = await RunAsync(c => c.Proof = _ => throw new Core.Clouds.CloudException("engine", Core.Clouds.CloudFault.Refused, Hostile, Hostile));

        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.Cause!.ShouldStartWith("engine: bad\uFFFDtext\uFFFDyyy");
    }

    /// <summary>Launches once; all that was kept of it is short and clean.</summary>
    private static async Task<WorkspaceView> RunAsync(Action<ScriptedClouds> change)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well);
        change(clouds);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        await jobs.UntilSettledAsync(Cancel, AtOnce);

        var view = (await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), order.Id, Cancel))!;
        foreach (var text in view.Log.Select(l => l.Text).Append(view.Run.Cause ?? "").Append(view.Run.Remedy ?? ""))
        {
            text.Length.ShouldBeLessThanOrEqualTo(4000);
            text.ShouldNotContain("2200"); // SQLSTATE 22001
            text.ShouldNotContain("22021");
            text.ShouldAllBe(c => !char.IsControl(c) && !char.IsSurrogate(c));
        }
        return view;
    }
}
