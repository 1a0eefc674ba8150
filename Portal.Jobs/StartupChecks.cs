using Portal.Core.Data;
using Portal.Jobs.Catalog;
using Portal.Jobs.Watch;

namespace Portal.Jobs;

/// <summary>Startup checks, before anything runs: the schema is the expected one, the catalogue is published, and the clouds were asked once: not for
/// longer than ten seconds, because one that does not answer must not keep the others from starting.</summary>
public sealed class StartupChecks(SchemaGate schema, PublishTemplates templates, CloudHealth health, TimeProvider clock,
    ILogger<StartupChecks> log) : IHostedService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await schema.ReasonAsync(cancellationToken) is { } wrong) throw new InvalidOperationException(wrong);
        await templates.RunAsync(cancellationToken);
        using var enough = new CancellationTokenSource(Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, enough.Token);
        try
        {
            if (!await health.LookAsync(either.Token)) log.LogWarning("Some components are not available; the pages say which and why.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            log.LogWarning("Some components have not responded within {Patience}; they are asked again.", Patience);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
