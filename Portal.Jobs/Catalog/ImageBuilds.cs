using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Catalog;

/// <summary>Keeps the images of every pool while the portal is running, each pool on its own: one that is slow holds up no other.</summary>
public sealed class ImageBuilds(IDbContextFactory<PortalDb> databases, CloudKits kits, TimeProvider clock, ILogger<ImageBuilds> log) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        kits.EachAsync(kit => new PoolImages(databases, kit, clock, log).RunAsync(stoppingToken));
}
