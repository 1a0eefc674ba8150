using Portal.Core.Data;
using Portal.Jobs.Catalog;
using Portal.Jobs.Watch;

namespace Portal.Jobs;

/// <summary>Startup checks, before anything runs: the schema is the expected one, the catalogue is published, and the clouds were asked once.</summary>
public sealed class StartupChecks(SchemaGate schema, PublishTemplates templates, CloudHealth health, ILogger<StartupChecks> log) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await schema.ReasonAsync(cancellationToken) is { } wrong) throw new InvalidOperationException(wrong);
        await templates.RunAsync(cancellationToken);
        if (!await health.LookAsync(cancellationToken)) log.LogWarning("Some components are not available; the pages say which and why.");
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
