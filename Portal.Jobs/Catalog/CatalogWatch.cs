namespace Portal.Jobs.Catalog;

/// <summary>Scans the template folders periodically, so that a new one needs no restart.</summary>
public sealed class CatalogWatch(PublishTemplates templates, TemplateFolders folders, TimeProvider clock, ILogger<CatalogWatch> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(folders.Every, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken)
            .AsTask()
            .ContinueWith(static t => t.IsCompletedSuccessfully && t.Result, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default))
        {
            try
            {
                await templates.RunIfChangedAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                log.LogWarning("Scanning the template folders failed, retrying in {Every}: {Error}", folders.Every, e.Message);
            }
        }
    }
}
