using System.Text;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Proxy;

/// <summary>The web process with one app, both reached through raw sockets.</summary>
public sealed class RawFixture : IAsyncLifetime
{
    private int _names;

    public WebFixture Web { get; } = new();
    public RawApp App { get; } = RawApp.Start();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Web.InitializeAsync();
        await using var db = Web.Database.Open();
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        var spec = new TemplateSpec("raw", "Raw", "Works", "jupyter", "1", [new("s", "Small", "", 1, 512)],
            [new("notebook", "python", ["start"], none, "TOKEN")], [new("lab", "Lab", "", "notebook", App.Port, "/lab", true)]);
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(), TemplateId = "raw", Hash = new('d', 64), Spec = spec });
        await db.SaveChangesAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await Web.DisposeAsync();
        await App.DisposeAsync();
    }

    /// <summary>Ada's browser with the app of a workspace of hers open.</summary>
    public async Task<RawVisit> OpenAsync()
    {
        var visitor = Web.Visit();
        await visitor.SignInAsync("Ada");
        var id = Guid.CreateVersion7();
        var launch = (LaunchWorkspace)Web.Services.GetService(typeof(LaunchWorkspace))!;
        var end = TimeProvider.System.GetUtcNow().AddHours(2);
        var launched = await launch.RunAsync(new(id, new(Web.Person("Ada")), Web.Class, "raw", "s", $"raw {Interlocked.Increment(ref _names)}", end), Cancel);
        launched.ShouldBeOfType<LaunchOutcome.Accepted>();
        await Web.ReadyAsync(id, 1);
        // Frees quota for the next test.
        await Web.Database.ExecuteAsync($"update portal.reservations set ended_at = clock_timestamp() where workspace_id = {id}", Cancel);
        await using var db = Web.Database.Open();
        var workspace = await db.Workspaces.FindAsync([id], Cancel) ?? throw new InvalidOperationException();
        await visitor.OpenAsync(id, "lab");
        return new(this, visitor, workspace);
    }
}

/// <summary>One browser's access to the raw app.</summary>
public sealed class RawVisit(RawFixture raw, Visitor visitor, Workspace workspace) : IDisposable
{
    public string Url => raw.Web.AppUrl(workspace.Slug, "lab");
    public string Host => new Uri(Url).Authority;
    public string Key => visitor.Cookies[(Host, raw.Web.AppCookie)];
    public Visitor Visitor => visitor;
    public Workspace Workspace => workspace;

    /// <summary>Sent with the app's cookie and whatever headers are given, and closed after the answer.</summary>
    /// <param name="cookie">The whole header, with {own} where the app's own cookie goes; null for that alone.</param>
    public Task<string> RequestAsync(string target = "/x", string? cookie = null, string method = "GET", params string[] headers)
    {
        var cookies = (cookie ?? "{own}").Replace("{own}", $"{raw.Web.AppCookie}={Key}", StringComparison.Ordinal);
        var head = new StringBuilder($"{method} {target} HTTP/1.1\r\nHost: {Host}\r\nCookie: {cookies}\r\n");
        foreach (var header in headers) head.Append(header).Append("\r\n");
        if (!headers.Any(h => h.StartsWith("Connection", StringComparison.OrdinalIgnoreCase))) head.Append("Connection: close\r\n");
        return RawCall.SendAsync(raw.Web.Port, head.Append("\r\n").ToString(), TestContext.Current.CancellationToken);
    }

    public void Dispose() => visitor.Dispose();
}
