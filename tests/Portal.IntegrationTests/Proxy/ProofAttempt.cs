using System.Net;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Proofs;

namespace Portal.IntegrationTests.Proxy;

/// <summary>One kernel check by Jobs of a notebook that listens on a port of this machine, over the real web process.</summary>
internal static class ProofAttempt
{
    private static readonly AppSpec Notebook = new("notebook", "JupyterLab", "", "notebook", 0, "/lab", true);

    public static async Task<ProofOutcome> RunAsync(WebFixture web, int appPort, string? connectTo, CancellationToken cancel)
    {
        await using var jobs = Jobs(web, TimeProvider.System, connectTo);
        return await RunAsync(jobs, await OrderAsync(web, appPort, "Ada", cancel), cancel);
    }

    /// <summary>One of several attempts by the same Jobs.</summary>
    public static Task<ProofOutcome> RunAsync(ServiceProvider jobs, ProofOrder order, CancellationToken cancel) =>
        jobs.GetRequiredService<INotebookProof>().ProveAsync(order, cancel);

    /// <summary>As much of Jobs as checks kernels.</summary>
    public static ServiceProvider Jobs(WebFixture web, TimeProvider clock, string? connectTo = null)
    {
        var services = new ServiceCollection();
        services.AddLogging().AddSingleton(clock).AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ConnectionStrings:portal"] = web.Database.Jobs,
            ["Site:PublicUrl"] = web.Url.AbsoluteUri,
            ["Site:AppsDomain"] = "apps.localhost",
            ["Site:ConnectTo"] = connectTo ?? $"127.0.0.1:{web.Port}",
        }).Build();
        services.AddPortalData(settings).AddPortalProofs(settings);
        return services.BuildServiceProvider();
    }

    /// <summary>Of a workspace that is being launched for this person.</summary>
    public static async Task<ProofOrder> OrderAsync(WebFixture web, int appPort, string owner, CancellationToken cancel)
    {
        var w = await LaunchingAsync(web, appPort, owner, cancel);
        return new(w.Id, w.Slug, w.PersonId, Notebook with { Port = appPort }, new(IPAddress.Loopback, appPort));
    }

    /// <summary>A workspace in the middle of its launch, of a template of its own whose app listens on this port.</summary>
    private static async Task<Workspace> LaunchingAsync(WebFixture web, int appPort, string owner, CancellationToken cancel)
    {
        var w = await web.WorkspaceAsync(owner);
        await using var db = web.Database.Open();
        var spec = (await db.TemplateVersions.AsNoTracking().FirstAsync(t => t.Id == w.TemplateVersionId, cancel)).Spec;
        var version = new TemplateVersion
        {
            Id = Guid.CreateVersion7(),
            TemplateId = $"t{appPort}",
            Hash = w.Id.ToString("N").PadRight(64, 'b'),
            Spec = spec with { Apps = [Notebook with { Port = appPort }] },
        };
        db.TemplateVersions.Add(version);
        await db.SaveChangesAsync(cancel);
        await web.Database.ExecuteAsync($"update portal.template_versions set retired = true where id = {version.Id}", cancel);
        await web.Database.ExecuteAsync($"update portal.workspaces set template_version_id = {version.Id} where id = {w.Id}", cancel);
        await web.Database.ExecuteAsync($"update portal.runs set phase = 'Active', ended_at = null where workspace_id = {w.Id}", cancel);
        return w;
    }
}
