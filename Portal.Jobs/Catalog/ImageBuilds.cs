using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Clouds.Docker.Images;

namespace Portal.Jobs.Catalog;

/// <summary>Makes the images that offered templates need, one after another beside the running portal, and keeps their progress as rows.</summary>
public sealed class ImageBuilds(IDbContextFactory<PortalDb> databases, ImageBuilder builder, TimeProvider clock, ILogger<ImageBuilds> log) : BackgroundService
{
    /// <summary>How soon a failed build is tried again: what was missing may have come.</summary>
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(1), Look = TimeSpan.FromSeconds(20);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var wait = Look;
            try
            {
                foreach (var name in await NeededAsync(stoppingToken))
                    if (!await EnsureAsync(name, stoppingToken)) wait = Again;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                log.LogWarning("Looking after images stopped, again in {Wait}: {Error}", wait, e.Message);
            }
            await Task.Delay(wait, clock, stoppingToken).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task<IReadOnlyList<string>> NeededAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var specs = await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).Select(t => t.Spec).ToListAsync(cancel);
        return [.. specs.SelectMany(s => s.Roles).Select(r => r.Image).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private async Task<bool> EnsureAsync(string name, CancellationToken cancel)
    {
        try
        {
            if (await builder.FindAsync(name, cancel) is { } there)
            {
                await SaveAsync(name, i => (i.State, i.Tag, i.ImageId, i.Percent, i.Says, i.Remedy) = (ImageState.Ready, there.Tag, there.Id, 100, null, null), cancel);
                return true;
            }
            await SaveAsync(name, i => (i.State, i.Percent, i.Says, i.Remedy) = (ImageState.Building, 0, "waiting for the builder", null), cancel);
            var built = await BuildAsync(name, cancel);
            await SaveAsync(name, i => (i.State, i.Tag, i.ImageId, i.Percent, i.Says, i.Remedy) = (ImageState.Ready, built.Tag, built.Id, 100, null, null), cancel);
            return true;
        }
        catch (CloudException e)
        {
            log.LogWarning("Image {Image} is not there: {Error} {Remedy}", name, e.Message, e.WhatToDo);
            await SaveAsync(name, i => (i.State, i.Says, i.Remedy) = (ImageState.Failed, Short(e.Message), e.WhatToDo), cancel);
            return false;
        }
    }

    /// <summary>Builds, and writes the newest line at most as often as the database takes it.</summary>
    private async Task<BuiltImage> BuildAsync(string name, CancellationToken cancel)
    {
        var lines = Channel.CreateBounded<ImageProgress>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        var building = builder.EnsureAsync(name, new Latest(lines.Writer), cancel);
        _ = building.ContinueWith(_ => lines.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await foreach (var line in lines.Reader.ReadAllAsync(cancel))
            await SaveAsync(name, i => (i.State, i.Percent, i.Says) = (ImageState.Building, line.Percent ?? i.Percent, Short(line.Line)), cancel);
        return await building;
    }

    private async Task SaveAsync(string name, Action<ImageRow> change, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var row = await db.Images.SingleOrDefaultAsync(i => i.Name == name, cancel);
        if (row is null) db.Images.Add(row = new() { Name = name });
        change(row);
        if (db.ChangeTracker.HasChanges()) row.UpdatedAt = clock.GetUtcNow();
        await db.SaveChangesAsync(cancel);
    }

    private static string Short(string line) => line.Length > 1000 ? line[..1000] : line;

    private sealed class Latest(ChannelWriter<ImageProgress> lines) : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value) => lines.TryWrite(value);
    }
}
