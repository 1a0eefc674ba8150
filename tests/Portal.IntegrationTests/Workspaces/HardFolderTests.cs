using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>Work folders as students leave them: full, or full of names that mean something to a
/// shell. The notebook still opens, with the real kernel check.</summary>
public sealed class HardFolderTests(RunningSite site) : IClassFixture<RunningSite>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private Installation It => site.It;

    [Fact, Trait("Lane", "long")]
    public async Task Folder_Full_NotebookStillOpensAndItsOwnerCanMakeRoom()
    {
        var order = It.Site.Order(It.Site.Students[0]);
        var node = await LaunchAsync(order);
        // To the last block: one large write, then smaller and smaller ones.
        await PythonAsync(node, """
            import os
            for name, bite in (("big", 1000 << 20), ("mid", 1 << 20), ("small", 64 << 10), ("last", 4 << 10)):
                try:
                    with open("/home/student/work/" + name, "wb", buffering=0) as f:
                        if name == "big": os.posix_fallocate(f.fileno(), 0, bite)
                        else:
                            while True: f.write(b"x" * bite); os.fsync(f.fileno())
                except OSError as e: print(name, e.errno)
            """);
        (await WriteAsync(node)).ShouldContain("Disk quota exceeded");

        node = await StopAndStartAsync(order, node);

        (await WriteAsync(node)).ShouldContain("Disk quota exceeded");
        (await It.Lab.InsideAsync(node, "notebook", "rm", "/home/student/work/big")).Code.ShouldBe(0);
        await Until.TrueAsync("there is space again", async () => !(await WriteAsync(node)).Contains("exceeded", StringComparison.Ordinal), Cancel);
        await DeleteAsync(order);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Folder_OfHostileNames_SurvivesStopAndStartAndIsListed()
    {
        var order = It.Site.Order(It.Site.Students[1]);
        var node = await LaunchAsync(order);
        const string count = "import os; print(sum(len(f) + len(d) for _, d, f in os.walk(b'/home/student/work')))";
        await PythonAsync(node, """
            import os
            os.chdir(b"/home/student/work")
            for name in (b"-rf", b"--help", b"$(touch pwned)", b"`touch pwned`", b"; touch pwned", b"a\nb", b"a\tb", b"*",
                b"~", b"'\"", b" leading", b"...", b"x" * 255, "\u202egpj.exe".encode(),
                b"%2e%2e%2f", b"<script>alert(1)<", b"CON", b"\xff\xfe no text"):
                open(name, "wb").close()
            os.symlink("/", "root"); os.symlink("/proc/self/environ", "secrets"); os.symlink("loop", "loop"); os.mkfifo("pipe")
            for _ in range(60): os.mkdir(b"d" * 100); os.chdir(b"d" * 100)
            """);
        var before = await PythonAsync(node, count);

        node = await StopAndStartAsync(order, node);

        var after = await PythonAsync(node, count);
        int.Parse(after, System.Globalization.CultureInfo.InvariantCulture)
            .ShouldBeGreaterThanOrEqualTo(int.Parse(before, System.Globalization.CultureInfo.InvariantCulture));
        var listed = await PythonAsync(node, """
            import json, os, urllib.request
            ask = urllib.request.Request("http://127.0.0.1:8888/api/contents/?content=1", headers={"Authorization": "token " + os.environ["TOKEN"]})
            names = [e["name"] for e in json.load(urllib.request.urlopen(ask, timeout=30))["content"]]
            print(all(n in names for n in ("-rf", "$(touch pwned)", "; touch pwned", "a\nb", "*", "<script>alert(1)<")), "pwned" in names)
            """);
        listed.ShouldBe("True False");
        await using (var db = It.Database.Open())
            (await db.LogLines.Where(l => l.WorkspaceId == order.Id && l.Severity == LogLineSeverity.Fail).Select(l => l.Text).ToListAsync(Cancel))
                .ShouldBeEmpty();
        await DeleteAsync(order);
        File.Exists("/pwned").ShouldBeFalse();
    }

    private async Task<string> PythonAsync(ClusterPlan node, string program)
    {
        var (output, code) = await It.Lab.PythonInsideAsync(node, "notebook", program);
        code.ShouldBe(0, output);
        return output;
    }

    private async Task<string> WriteAsync(ClusterPlan node) =>
        (await It.Lab.InsideAsync(node, "notebook", "dd", "if=/dev/zero", "of=/home/student/work/more", "bs=1M", "count=2", "conv=fsync")).Output;

    private async Task<ClusterPlan> LaunchAsync(LaunchRequest order)
    {
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return await ReadyAsync(order, RunKind.Launch);
    }

    private async Task<ClusterPlan> StopAndStartAsync(LaunchRequest order, ClusterPlan before)
    {
        (await It.Site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Stop);
        (await It.Site.Get<StartWorkspace>().RunAsync(order.Actor, order.Id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        var now = await ReadyAsync(order, RunKind.Start);
        now.Generation.ShouldBeGreaterThan(before.Generation);
        return now;
    }

    private async Task DeleteAsync(LaunchRequest order)
    {
        (await It.Site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Delete);
    }

    private async Task<ClusterPlan> ReadyAsync(LaunchRequest order, RunKind kind)
    {
        await site.EndedAsync(order.Id, kind);
        await using var db = It.Database.Open();
        var workspace = await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == order.Id, Cancel);
        return new(order.Id, workspace.Generation, workspace.Subnet!, []);
    }
}
