using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack.Faults;

/// <summary>A service of OpenStack is killed in the middle of a launch and comes back later, or a token ends: the launch waits, says so, and goes on.</summary>
[Collection(nameof(OnRig)), Trait("Lane", "openstack-long")]
public sealed class KilledServicesTests(RigSite site)
{
    private const double Boot = 120;
    private const int Looks = 40;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task ManilaShare_KilledWhileTheFolderIsMade_TheLaunchWaitsAndEndsReady() =>
        KillAsync("manila-share", student: 2, order => Eventually.SeesAsync(async () => (await site.RunAsync(order)).Phase, p => p is not RunPhase.Queued,
            "it has begun", Boot));

    [Fact]
    public Task HeatEngine_KilledWhileTheStackIsCreated_TheLaunchWaitsAndEndsReady() =>
        KillAsync("heat-engine", student: 3, order => Eventually.SeesAsync(() => site.StackAsync(order), s => s is not null, "there is a stack", Boot));

    [Fact]
    public Task NovaCompute_KilledWhileTheServerIsBuilt_TheLaunchWaitsAndEndsReady() =>
        KillAsync("nova-compute", student: 4, order => Eventually.SeesAsync(() => site.ServerAsync(order), s => s is not null, "there is a server", Boot));

    /// <summary>Jobs sleeps past the end of its token, as on a host that was suspended; the server boots and signals meanwhile.</summary>
    [Fact]
    public async Task Token_ThatEndsInTheMiddleOfALaunch_IsRenewedAndTheLaunchEndsReady()
    {
        var life = TimeSpan.FromSeconds(120);
        await Rig.UpAsync($"PORTAL_OPENSTACK_TOKEN_SECONDS={life.TotalSeconds:F0}");
        try
        {
            await using var services = site.Lab.Storage.Open();
            var token = await services.GetRequiredService<OpenStackClouds>().Of(OpenStackLab.Projects[0]).Keystone.TokenAsync(null, Cancel);
            (token.EndsAt - TimeProvider.System.GetUtcNow()).ShouldBeLessThanOrEqualTo(life);
            site.It.Jobs.Kill(); // its token of before lives for hours
            site.It.Jobs.Start();
            var order = await site.LaunchAsync(student: 7);
            await Eventually.SeesAsync(() => site.StackAsync(order), s => s is not null, "there is a stack", Boot);
            site.It.Jobs.Pause();
            var paused = TimeProvider.System.GetTimestamp();
            await Eventually.HoldsAsync(() => Task.FromResult(TimeProvider.System.GetElapsedTime(paused) > life), "its token has ended", 2 * life.TotalSeconds);
            site.It.Jobs.Resume();

            await site.EndedAsync(order, RunKind.Launch);
            await site.CheckAsync(order);
            await site.DeleteAsync(order);
            await site.LeavesNothingAsync();
        }
        finally
        {
            await Rig.UpAsync();
        }
    }

    private async Task KillAsync(string service, int student, Func<LaunchRequest, Task> until)
    {
        var order = await site.LaunchAsync(student);
        await until(order);
        var said = new List<string>();
        try
        {
            await Rig.KillAsync(service);
            for (var look = 0; look < Looks; look++)
            {
                var view = await site.ViewAsync(order);
                view.Status.ShouldBeOneOf(WorkspaceStatus.Queued, WorkspaceStatus.Starting);
                view.Run.Cause.ShouldBeNull("nothing has failed for good");
                if (view.Run.Message is { } message && said.LastOrDefault() != message) said.Add(message);
                await Task.Delay(TimeSpan.FromMilliseconds(250), TimeProvider.System, Cancel);
            }
        }
        finally
        {
            await Rig.UpAsync();
        }
        TestContext.Current.TestOutputHelper!.WriteLine($"while {service} was away: {string.Join(" | ", said)}");
        said.ShouldAllBe(s => s.EndsWith('.') && !s.Contains("Exception", StringComparison.Ordinal) && !s.Contains("unexpected", StringComparison.Ordinal));

        await site.EndedAsync(order, RunKind.Launch);
        await site.CheckAsync(order);
        await site.DeleteAsync(order);
        await site.LeavesNothingAsync();
    }
}
