using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Crashes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>Settings in a work folder that keep a notebook from starting, with the real kernel
/// check: the run says so, and a start without them is the remedy.</summary>
public sealed class OwnSettingsTests(RunningSite site) : IClassFixture<RunningSite>
{
    private const string Settings = "/home/student/work/.notebook/jupyter/jupyter_server_config.py", Ignored = "own";

    /// <summary>Answers the start of a kernel endlessly.</summary>
    private const string Endless = """
        from jupyter_server.services.kernels import handlers
        async def post(self):
            self.set_status(201)
            self.write('{"id": "')
            while True:
                self.write("x" * 65536)
                await self.flush()
        handlers.MainKernelHandler.post = post
        """;

    private const string Leaves = "import os; os._exit(3)";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private Installation It => site.It;

    [Theory, Trait("Lane", "long")]
    [InlineData(0, Endless, "The notebook does not speak Jupyter's protocol: the response is longer than 64 KiB.")]
    [InlineData(1, Leaves, "The node notebook exited while starting (exit code 3).")]
    public async Task Start_SettingsThatBreakTheNotebook_FailsWithTheRemedyAndIsReadyWithoutThem(int student, string settings, string cause)
    {
        var order = It.Site.Order(It.Site.Students[student]);
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Launch);
        await WriteAsync(await NodesAsync(order.Id), settings);
        var before = ResidentMost();

        var failed = await FailsAsync(order);

        failed.Run.Cause!.ShouldStartWith(cause);
        failed.Run.Remedy!.ShouldContain("Start without my settings");
        (ResidentMost() - before).ShouldBeLessThan(256L << 20, "additional bytes that Jobs used");

        await StartAsync(order, new(WithoutSettings: true), RunPhase.Succeeded);
        (await LookAsync(order)).WithoutSettings.ShouldBeTrue();
        var nodes = await NodesAsync(order.Id);
        (await PythonAsync(nodes, $"print(open('{Settings}').read() == {Quoted(settings)})")).ShouldBe("True", "nothing is deleted");
        (await OfTheShellAsync(nodes)).ShouldBe("none");
        const string read = @"tr '\0' '\n' < /proc/$(pgrep -o -f jupyter-lab)/environ | grep -c /home/student/work/.notebook";
        (await It.Lab.InsideAsync(nodes, "notebook", "sh", "-c", read)).Output.ShouldBe("0");

        // For that one start only.
        (await FailsAsync(order)).Run.Cause!.ShouldStartWith(cause);
        (await It.Site.Get<DeleteWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Delete);
    }

    private async Task WriteAsync(ClusterPlan nodes, string settings)
    {
        await PythonAsync(nodes, $"""
            import os
            os.makedirs(os.path.dirname('{Settings}'), exist_ok=True)
            open('{Settings}', 'w').write({Quoted(settings)})
            open('/home/student/work/.bashrc', 'w').write('MINE={Ignored}')
            """);
        (await OfTheShellAsync(nodes)).ShouldBe(Ignored);
    }

    /// <summary>What the person's own settings set in an interactive shell, which complains about its missing terminal on the lines below.</summary>
    private async Task<string> OfTheShellAsync(ClusterPlan nodes) =>
        (await It.Lab.InsideAsync(nodes, "notebook", "bash", "-ic", "echo ${MINE:-none}")).Output.Split('\n')[0];

    private static string Quoted(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    private async Task<WorkspaceView> FailsAsync(LaunchRequest order)
    {
        if ((await LookAsync(order)).Status is not WorkspaceStatus.Stopped)
        {
            (await It.Site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
            await site.EndedAsync(order.Id, RunKind.Stop);
        }
        await StartAsync(order, null, RunPhase.Failed);
        return await LookAsync(order);
    }

    private async Task StartAsync(LaunchRequest order, StartChanges? changes, RunPhase phase)
    {
        (await It.Site.Get<StartWorkspace>().RunAsync(order.Actor, order.Id, changes, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await site.EndedAsync(order.Id, RunKind.Start, phase);
    }

    private async Task<WorkspaceView> LookAsync(LaunchRequest order) => (await It.Site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!;

    private async Task<ClusterPlan> NodesAsync(Guid id)
    {
        await using var db = It.Database.Open();
        var workspace = await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == id, Cancel);
        return new(id, workspace.Generation, workspace.Subnet!, []);
    }

    private async Task<string> PythonAsync(ClusterPlan nodes, string program)
    {
        var (output, code) = await It.Lab.PythonInsideAsync(nodes, "notebook", program);
        code.ShouldBe(0, output);
        return output;
    }

    /// <summary>Peak memory of Jobs, bytes.</summary>
    private long ResidentMost() => It.Jobs.ResidentMost;
}
