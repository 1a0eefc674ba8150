using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Features.Workspaces;
using Portal.Jobs.Proofs;
using Portal.Jobs.Watch;
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
        var proofs = 0;
        var (view, ensured) = await RunAsync(c => c.Proof = _ =>
        {
            proofs++;
            return new ProofOutcome.Broken(Hostile, Hostile);
        });

        (proofs, ensured).ShouldBe((1, 1), "attempts");
        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.FailedStep.ShouldBe(StepKey.ProveNotebook);
        view.Run.Cause!.ShouldStartWith("bad\uFFFDtext\uFFFDyyy");
        view.Run.Remedy!.ShouldStartWith("bad\uFFFDtext\uFFFDyyy");
    }

    /// <summary>What the kernel check says of a notebook that answers with anything; see HostileNotebookTests.</summary>
    [Fact]
    public async Task Proof_Broken_OffersAStartWithoutSettings()
    {
        var (view, _) = await RunAsync(c => c.Proof = _ => new ProofOutcome.Broken("The notebook does not speak Jupyter's protocol.", KernelProof.OwnSettings));

        view.Run.Remedy.ShouldBe("Your own Jupyter settings in the work folder are the likely cause: choose “Start without my settings”, "
            + "which deletes nothing. If that does not help, contact the operator.");
        WorkspaceActions.Of(view, owner: true, mayDelete: true).ShouldContain(WorkspaceAction.StartWithoutSettings);
    }

    [Fact]
    public async Task Proof_NotYetWithHostileWords_WaitsAndIsProven()
    {
        var asked = 0;
        var (view, _) = await RunAsync(c => c.Proof = _ => ++asked < 3 ? new ProofOutcome.NotYet(Hostile, WebUnavailable: true) : new ProofOutcome.Proven());

        view.Status.ShouldBe(WorkspaceStatus.Ready);
    }

    [Fact]
    public async Task Node_ThatDiesWithHostileWords_FailsTheRunAtOnceWithThem()
    {
        var (view, ensured) = await RunAsync(c => (c.Dies, c.Tail) = (_ => (3, false), [Hostile]));

        ensured.ShouldBe(1, "attempts");
        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.Remedy!.ShouldContain("Start without my settings");
        WorkspaceActions.Of(view, owner: true, mayDelete: true).ShouldContain(WorkspaceAction.StartWithoutSettings);
        view.Run.Cause!.ShouldContain("exit code 3");
        view.Run.Cause!.ShouldContain("bad\uFFFDtext\uFFFDyyy");
    }

    [Fact]
    public async Task Step_ThatThrowsHostileWords_SaysThemWithoutTheDatabases()
    {
        var proofs = 0;
        var (view, ensured) = await RunAsync(c => c.Proof = _ =>
        {
            proofs++;
            throw new CloudException("engine", CloudFault.Refused, Hostile, Hostile);
        });

        (proofs, ensured).ShouldBe((1, 1), "attempts");
        view.Status.ShouldBe(WorkspaceStatus.Failed);
        view.Run.Cause!.ShouldStartWith("engine: bad\uFFFDtext\uFFFDyyy");
    }

    /// <summary>While the worker is asked to leave, and once its time is over.</summary>
    [Theory]
    [InlineData(5)]
    [InlineData(0)]
    public async Task Drain_WithHostileOutput_IsToldInItsWords(int minutes)
    {
        const string says = "it could not be asked to leave (exit code 1): bad\uFFFDtext\uFFFDyyy";
        await using var it = await ResizeSite.CreateAsync(Cancel, drainMinutes: minutes);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Command = (_, _) => new(1, Hostile);
        await it.ResizeAsync(id, 1);

        if (minutes == 0) await it.Jobs.UntilSettledAsync(Cancel, AtOnce);
        else await it.ClaimUntilAsync(id, r => r.Message is not null);

        var view = Clean(await it.LookAsync(id));
        (minutes == 0 ? view.Log.Single(l => l.Severity == LogLineSeverity.Warn).Text : view.Run.Message!).ShouldContain(says);
    }

    [Fact]
    public async Task Node_ThatEndsLaterWithHostileWords_IsToldInTheLog()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 1);
        it.Clouds.Tail = [Hostile, Hostile];
        using var watch = it.Jobs.Loop<NodeWatch>();
        await watch.StartAsync(Cancel);
        it.Clouds.Kill(id, "worker0");
        await it.Clouds.Events.Writer.WriteAsync(new(ClusterHappening.Died, id, "worker0", ExitCode: 1, Generation: 1), Cancel);

        await Until.TrueAsync("its last words are in the log",
            async () => (await it.LookAsync(id)).Log.Count(l => l.Text.StartsWith("worker0: bad\uFFFDtext\uFFFDyyy", StringComparison.Ordinal)) == 2, Cancel);
        Clean(await it.LookAsync(id));
        await watch.StopAsync(Cancel);
    }

    /// <summary>Launches once; all that was kept of it is short and clean. Also returns how often its nodes were made.</summary>
    private static async Task<(WorkspaceView View, int Ensured)> RunAsync(Action<ScriptedClouds> change)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var ensured = 0;
        var clouds = new ScriptedClouds((what, _) =>
        {
            if (what == "ensure") ensured++;
            return Mood.Well;
        });
        change(clouds);
        await using var jobs = site.Process(clouds, TimeSpan.FromSeconds(4));
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        await jobs.UntilSettledAsync(Cancel, AtOnce);

        return (Clean((await site.Get<WorkspaceFeed>().LookAsync(new(site.Students[0]), order.Id, Cancel))!), ensured);
    }

    private static WorkspaceView Clean(WorkspaceView view)
    {
        foreach (var text in view.Log.Select(l => l.Text).Concat([view.Run.Message ?? "", view.Run.Cause ?? "", view.Run.Remedy ?? ""]))
        {
            text.Length.ShouldBeLessThanOrEqualTo(4000);
            text.ShouldNotContain("2200"); // SQLSTATE 22001
            text.ShouldNotContain("22021");
            text.ShouldAllBe(c => !char.IsControl(c) && !char.IsSurrogate(c));
        }
        return view;
    }
}
