using Hangfire;
using Hangfire.Common;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Background;

/// <summary>A Hangfire server for the runs of each pool. Only at start it is known how many there are, so they are not registered as services.</summary>
internal sealed class RunServers(CloudKits kits, RunOptions options, JobStorage storage, JobActivator activator, IJobFilterProvider filters,
    IHostApplicationLifetime lifetime) : IHostedService, IDisposable
{
    private IReadOnlyList<BackgroundJobServer> _servers = [];
    private int _stopped;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _servers = [.. kits.All.Select(Start)];
        // Their tokens are cancelled immediately, before the hosted services that stop earlier than this one have ended.
        lifetime.ApplicationStopping.Register(Stop);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Stop();
        return Task.WhenAll(_servers.Select(s => s.WaitForShutdownAsync(cancellationToken)));
    }

    public void Dispose()
    {
        foreach (var server in _servers) server.Dispose();
    }

    private BackgroundJobServer Start(CloudKit kit)
    {
        var own = RunQueues.NameOf(kit.Key);
        // Workers only: the other server handles schedule, expiry and the invisibility timeout for all.
        var server = HangfireSetup.Server(new() { Activator = activator, FilterProvider = filters }, own, [own, RunQueues.OfUnknownPools], options.Workers);
        server.IsLightweightServer = true;
        return new(server, storage);
    }

    /// <summary>Once: a second time would give the jobs more time.</summary>
    private void Stop()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0) return;
        foreach (var server in _servers) server.SendStop();
    }
}
