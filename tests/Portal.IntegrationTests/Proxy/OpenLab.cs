using Portal.Core.Catalog;
using Portal.IntegrationTests.Access;
using Portal.IntegrationTests.Clouds;
using Portal.IntegrationTests.Notebooks;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A real JupyterLab in a real container, behind the real proxy and open in Ada's browser.</summary>
public sealed class OpenLab : IAsyncLifetime
{
    /// <summary>Limit of her work folder and memory of the node.</summary>
    public const int FolderMib = 24, MemoryMib = 1024;

    private readonly LabFixture _lab = new();
    private RealNotebook? _node;
    private Visitor? _visitor;

    public WebFixture Web { get; } = new();
    public RealNotebook Node => _node!;
    public Visitor Visitor => _visitor!;

    /// <summary>Origin of the app.</summary>
    public string Url { get; private set; } = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Web.InitializeAsync();
        await _lab.InitializeAsync();
        var w = await Web.WorkspaceAsync("Ada");
        await using (var db = Web.Database.Open())
        {
            var spec = db.TemplateVersions.Single(t => t.Id == w.TemplateVersionId).Spec;
            var version = Guid.CreateVersion7();
            spec = spec with { Apps = [new AppSpec("lab", "JupyterLab", "", "notebook", 8888, "/lab", true)] };
            db.TemplateVersions.Add(new() { Id = version, TemplateId = "lab", Hash = new('f', 64), Spec = spec });
            await db.SaveChangesAsync(Cancel);
            await Web.Database.ExecuteAsync($"update portal.workspaces set template_version_id = {version} where id = {w.Id}", Cancel);
        }
        _node = await RealNotebook.StartAsync(_lab.Lab, FolderMib << 20, memoryMib: MemoryMib, token: Web.Tokens.Of(w.Id, 1, "lab"));
        await Web.Database.ExecuteAsync($"update portal.nodes set address = {_node.Address} where workspace_id = {w.Id}", Cancel);
        _visitor = Web.Visit();
        await _visitor.SignInAsync("Ada");
        await _visitor.OpenAsync(w.Id, "lab");
        Url = Web.AppUrl(w.Slug, "lab");
        await Eventually.HoldsAsync(async () => (await _visitor.GetAsync(Url + "/api/status")).IsSuccessStatusCode, "the notebook answers");
    }

    public async ValueTask DisposeAsync()
    {
        _visitor?.Dispose();
        if (_node is not null) await _node.DisposeAsync();
        await _lab.DisposeAsync();
        await Web.DisposeAsync();
    }
}
