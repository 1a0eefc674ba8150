using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Catalog;

/// <summary>
/// Creates the images that offered templates need in one pool, and keeps their progress in rows. One is built at a time, registry
/// images are pulled in parallel, and existing ones are recognised, so that no template waits for another's image.
/// </summary>
internal sealed class PoolImages(IDbContextFactory<PortalDb> databases, CloudKit kit, TimeProvider clock, ILogger log)
{
    private const int LongestMessage = 1000;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(20), Pace = TimeSpan.FromMilliseconds(250);
    private readonly BuildRetries _retries = new();
    private readonly Dictionary<string, string> _loggedErrors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (ImageLook Look, Task<BuiltImage> Made)> _making = new(StringComparer.Ordinal);
    private readonly List<Task> _checks = [];

    public async Task RunAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RoundAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { break; }
            catch (Exception e)
            {
                log.LogWarning("Managing the images of pool {Pool} failed, retrying in {Wait}: {Error}", kit.Key, Look, e.Message);
            }
            await Task.WhenAny([Task.Delay(Look, clock, stoppingToken), .. _making.Values.Select(m => m.Made), .. _checks]);
        }
        await Task.WhenAll(_making.Values.Select(m => m.Made))
            .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>
    /// First what has finished, then what already exists, then what must be built, fewest dependencies first. So the notebook image does not wait
    /// for the largest cluster's image, and no image waits for one that failed before.
    /// </summary>
    private async Task RoundAsync(CancellationToken cancel)
    {
        foreach (var (name, (look, made)) in _making.Where(m => m.Value.Made.IsCompleted).ToList())
        {
            _making.Remove(name);
            await EndAsync(name, look, made, cancel);
        }
        _checks.Clear();
        var missing = new List<(string Name, ImageLook Look)>();
        foreach (var name in (await NeededAsync(cancel)).Where(n => !_making.ContainsKey(n)))
            if (await LookAsync(name, cancel) is { There: null } look) missing.Add((name, look));
        foreach (var (name, look) in missing.Where(m => _retries.IsDue(m.Name, m.Look.Tag, clock.GetUtcNow()))
            .OrderBy(m => m.Look.Depth)
            .ThenBy(m => m.Name, StringComparer.Ordinal))
            if (look.OfRegistry || _making.Values.All(m => m.Look.OfRegistry)) _making[name] = (look, MakeAsync(name, cancel));
    }

    private async Task<IReadOnlyList<string>> NeededAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var specs = await db.TemplateVersions.AsNoTracking().Where(t => !t.Retired).Select(t => t.Spec).ToListAsync(cancel);
        return [.. specs.SelectMany(s => s.Roles).Select(r => r.Image).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>Null if it cannot be planned, or not yet; the row says why.</summary>
    private async Task<ImageLook?> LookAsync(string name, CancellationToken cancel)
    {
        try
        {
            var look = await kit.Images.LookAsync(name, cancel);
            if (look.PackageCheck is { } check)
            {
                _checks.Add(check);
                await SaveAsync(name, i =>
                {
                    if (i.State != ImageState.Ready)
                        (i.State, i.Percent, i.Message, i.Remedy) = (ImageState.Building, 0, "Checking whether packages can be fetched", null);
                }, cancel);
                return null;
            }
            if (look.There is { } there) await ReadyAsync(there, cancel);
            else if (_retries.IsDue(name, look.Tag, clock.GetUtcNow()))
                await SaveAsync(name, i => (i.State, i.Percent, i.Message, i.Remedy) = (ImageState.Building, 0, "Waiting for the image builder", null), cancel);
            return look;
        }
        catch (CloudException e)
        {
            // A cloud that is away for a moment has not lost its images, and queued launches must not fail because of that.
            await FailedAsync(name, e, cancel, keepReady: e.Service != PackageFaults.Service && e.MayPass);
            return null;
        }
    }

    private async Task EndAsync(string name, ImageLook look, Task<BuiltImage> made, CancellationToken cancel)
    {
        try
        {
            await ReadyAsync(await made, cancel);
        }
        catch (CloudException e)
        {
            // PackageSources decides when packages are checked again.
            if (e.Service != PackageFaults.Service) _retries.Failed(name, look.Tag, clock.GetUtcNow());
            await FailedAsync(name, e, cancel);
        }
    }

    private Task ReadyAsync(BuiltImage image, CancellationToken cancel)
    {
        _retries.Made(image.Name);
        _loggedErrors.Remove(image.Name);
        return SaveAsync(image.Name, i =>
            (i.State, i.Tag, i.Reference, i.Percent, i.Message, i.Remedy) = (ImageState.Ready, image.Tag, image.Id, 100, null, null), cancel);
    }

    /// <param name="keepReady">An image that was available is assumed to be still available.</param>
    private Task FailedAsync(string name, CloudException e, CancellationToken cancel, bool keepReady = false)
    {
        if (_loggedErrors.GetValueOrDefault(name) != e.Message)
            log.LogWarning("Image {Image} is not available in pool {Pool}: {Error} {Remedy}", name, kit.Key, e.Message, e.WhatToDo);
        _loggedErrors[name] = e.Message;
        return SaveAsync(name, i =>
        {
            if (keepReady && i.State is ImageState.Ready) return;
            (i.State, i.Message, i.Remedy) = (ImageState.Failed, ForeignText.Clean(e.Message, LongestMessage), e.WhatToDo);
        }, cancel);
    }

    /// <summary>Builds or pulls, and writes the newest progress, at most four times a second: what comes sooner is written late, not lost.</summary>
    private async Task<BuiltImage> MakeAsync(string name, CancellationToken cancel)
    {
        var lines = Channel.CreateBounded<ImageProgress>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        var building = kit.Images.EnsureAsync(name, new Latest(lines.Writer), cancel);
        _ = building.ContinueWith(_ => lines.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await foreach (var line in lines.Reader.ReadAllAsync(cancel))
        {
            var message = ForeignText.Clean(line.Line, LongestMessage);
            await SaveAsync(name, i => (i.State, i.Percent, i.Message) = (ImageState.Building, line.Percent ?? i.Percent, message), cancel);
            await Task.WhenAny(building, Task.Delay(Pace, clock, cancel));
        }
        return await building;
    }

    private async Task SaveAsync(string name, Action<ImageRow> change, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var row = await db.Images.SingleOrDefaultAsync(i => i.PoolKey == kit.Key && i.Name == name, cancel);
        if (row is null) db.Images.Add(row = new() { PoolKey = kit.Key, Name = name });
        change(row);
        if (db.ChangeTracker.HasChanges()) row.UpdatedAt = clock.GetUtcNow();
        await db.SaveChangesAsync(cancel);
    }

    private sealed class Latest(ChannelWriter<ImageProgress> lines) : IProgress<ImageProgress>
    {
        public void Report(ImageProgress value) => lines.TryWrite(value);
    }
}
