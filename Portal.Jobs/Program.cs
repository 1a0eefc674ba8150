using Microsoft.EntityFrameworkCore;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Data;
using Portal.Jobs;
using Portal.Jobs.Background;
using Portal.Jobs.Catalog;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.LocalStorage;
using Portal.Jobs.Clouds.OpenStack;
using Portal.Jobs.Proofs;

// Its files are beside the program, and are read once: to watch them the host would watch every folder below the one in which it was started.
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
{
    Args = [.. args, "--hostBuilder:reloadConfigOnChange=false"],
    ContentRootPath = AppContext.BaseDirectory,
});
#pragma warning disable RS0030 // the only place in this process that uses the real clock
builder.Services.AddSingleton(TimeProvider.System);
#pragma warning restore RS0030
if (args is ["--smoke", ..])
{
    await using var console = builder.Build();
    return await Smoke.RunAsync(args, console.Configuration, console.Services.GetRequiredService<TimeProvider>(), Console.Out, CancellationToken.None);
}
if (args is ["--build-images", .. var names])
{
    builder.Services.AddDockerCloud(builder.Configuration).AddImages(builder.Configuration);
    await using var images = builder.Build();
    return await BuildImages.RunAsync(images.Services, names, Console.Out, Console.Error, CancellationToken.None);
}
if (OpenStackVerbs.Has(args))
{
    builder.Services.AddOpenStackCloud(builder.Configuration).AddOpenStackServers(builder.Configuration);
    builder.Logging.ClearProviders(); // it says itself what it finds
    await using var verb = builder.Build();
    return await OpenStackVerbs.RunAsync(args, verb.Services, Console.Out, CancellationToken.None);
}
builder.Services.AddPortalData(builder.Configuration);
if (args is ["--migrate" or "--seed-demo", ..])
{
    builder.Services.AddOpenStackCloud(builder.Configuration);
    await using var tool = builder.Build();
    await using var db = await tool.Services.GetRequiredService<IDbContextFactory<PortalDb>>().CreateDbContextAsync();
    if (args[0] == "--migrate")
        Console.WriteLine(
            string.Join('\n', (await Migrator.RunAsync(db, CancellationToken.None)).Select(m => $"applied {m}").DefaultIfEmpty("the schema is current")));
    else
        await DemoSeed.RunAsync(
            db, tool.Services.GetRequiredService<OpenStackOptions>(), tool.Services.GetRequiredService<TimeProvider>(), CancellationToken.None);
    return 0;
}

builder.Services.AddPortalCore().AddAppTokens(builder.Configuration);
builder.Services
    .AddDockerCloud(builder.Configuration)
    .AddImages(builder.Configuration)
    .AddLocalStorage(builder.Configuration)
    .AddOpenStackCloud(builder.Configuration)
    .AddOpenStackServers(builder.Configuration)
    .AddPortalProofs(builder.Configuration);
builder.Services.AddHostedService<ImageBuilds>();
builder.Services.AddPortalJobs(builder.Configuration).AddNodeLogs();
builder.WebHost.ListenOnSocket(builder.Configuration);

var app = builder.Build();
app.MapOperatorsDashboard();
app.MapNodeLogs();
app.MapGet("/health", () => "ok");
app.Run();
return 0;
