using Portal.Api;
using Portal.Core.Clouds;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Metrics;

/// <summary>The scratch folder of a cluster's first worker, and what its owner is told of it.</summary>
internal sealed class WorkerScratch(Installation it, long limitBytes)
{
    /// <summary>Usage is read every 15 s; a busy machine needs some more.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(45);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>What the owner is told to do about the full folder.</summary>
    public async Task<string> ToldAsync(Guid owner, Guid id)
    {
        var full = await LookAsync(owner, id);
        full.LimitBytes.ShouldBe(limitBytes);
        full.Cause.ShouldBe("The scratch folder of worker0 is full: anything that needs to write there waits or fails until there is space.");
        return full.Remedy.ShouldNotBeNull();
    }

    public async Task FillAsync(Guid id, string file, string piece = "bs=1M")
    {
        var filled = await ExecuteAsync(id, "dd", "if=/dev/zero", $"of={file}", piece);
        filled.ExitCode.ShouldNotBe(0);
        filled.Output.ShouldContain("Disk quota exceeded");
    }

    public Task<CommandResult> ExecuteAsync(Guid id, params string[] command) => it.Lab.Clusters.ExecuteAsync(id, "worker0", command, Cancel);

    public Task<TimeSpan> BecomesAsync(Guid owner, Guid id, ScratchState state, TimeSpan? within = null) => Until.TrueAsync(
        $"worker0's folder is said to be {state}", async () => (await LookAsync(owner, id)).State == state, Cancel, within ?? Soon);

    /// <summary>As the page and the API get it.</summary>
    public async Task<ScratchShape> LookAsync(Guid owner, Guid id) =>
        WorkspaceShape.Of((await it.Site.Get<WorkspaceFeed>().LookAsync(new(owner), id, Cancel))!).Scratch.Single(s => s.Node == "worker0");
}
