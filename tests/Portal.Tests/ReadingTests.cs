using Mono.Cecil;

namespace Portal.Tests;

/// <summary>
/// Bytes of a workspace are read only by Portal.Jobs.Foreign.ForeignReader, which has limits. Checked in the compiled code: a call that reads
/// without a limit is allowed only if it is listed here with its reason.
/// </summary>
public sealed class ReadingTests
{
    /// <summary>Type and method of calls that read until the other side stops.</summary>
    private static readonly (string Type, string Methods)[] Unbounded =
    [
        ("System.Net.Http.HttpContent", "ReadAs* LoadIntoBufferAsync CopyTo*"),
        ("System.Net.Http.HttpClient", "*Async Send"),
        ("System.Net.Http.Json.HttpContentJsonExtensions", "*"),
        ("System.Net.Http.Json.HttpClientJsonExtensions", "*"),
        ("System.Net.WebSockets.WebSocket", "ReceiveAsync"),
        ("System.Net.WebSockets.ClientWebSocket", "ReceiveAsync"),
        ("System.IO.TextReader", "*"),
        ("System.IO.StreamReader", "*"),
        ("System.IO.Stream", "CopyTo*"),
        ("System.IO.File", "ReadAll*"),
        ("System.Text.Json.JsonSerializer", "DeserializeAsync*"),
        ("System.Text.Json.JsonDocument", "ParseAsync"),
        ("System.Text.Json.Nodes.JsonNode", "ParseAsync"),
        ("Docker.DotNet.MultiplexedStream", "*"),
    ];

    /// <summary>These read nothing.</summary>
    private static readonly string[] Harmless = [".ctor", "get_BaseStream", "Dispose", "DisposeAsync"];

    /// <summary>What does not come from a workspace, and what limits it.</summary>
    private static readonly Dictionary<string, string> Allowed = new(StringComparer.Ordinal)
    {
        ["Portal.Jobs.Foreign.ForeignReader"] = "the one",
        ["Portal.Jobs.Clouds.Docker.NodeLogs"] = "hands the engine's stream to it, or follows a log line by line, each bounded",
        ["Portal.Jobs.Clouds.Docker.NodeCommand"] = "hands the engine's stream to it",
        ["Portal.Jobs.Clouds.Docker.ContainerEngine"] = "the engine's own answers, 4 MiB at most",
        ["Portal.Jobs.Clouds.Docker.ContainerEngine/Refusals"] = "the engine's refusals, 1 MiB at most",
        ["Portal.Jobs.Clouds.Docker.DockerEvents"] = "the engine's own events",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.ArchiveFetcher"] = "files that pip and Maven fetched, within their limit of disk",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.ClientRun"] = "what pip and Maven write, piece by piece, cut into bounded lines",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.Pip"] = "a resource of the program",
        ["Portal.Jobs.Clouds.Docker.Images.ImagePlan"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.ImagePlan/Planner"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.ImageRecipe"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.DebianRoot"] = "a program of the host",
        ["Portal.Jobs.Clouds.Docker.SeccompProfile"] = "a file of the operator",
        ["Portal.Jobs.Clouds.Docker.CgroupFiles"] = "the kernel's own files",
        ["Portal.Jobs.Clouds.Docker.HostRanges"] = "the kernel's own files",
        ["Portal.Jobs.Clouds.Docker.Identities"] = "a file that it wrote itself",
        ["Portal.Jobs.Clouds.LocalStorage.Storage"] = "the kernel's own files",
        ["Portal.Jobs.Clouds.LocalStorage.Mountinfo"] = "the kernel's own files",
        ["Portal.Jobs.Catalog.TemplateSchema"] = "a file of the program",
        ["Portal.Jobs.Catalog.PublishTemplates"] = "templates of the operator, each file measured first",
        ["Portal.Jobs.Catalog.TemplateStore"] = "templates of the operator",
        ["Portal.Core.Access.AppToken"] = "the installation's key",
        ["Portal.Api.MetricsExport"] = "a token of the operator",
        ["Portal.Theme.ThemeStylesheet"] = "resources of the program",
        ["Portal.Theme.ThemeStylesheet/FontFile"] = "files of the program",
        ["Portal.Proxy.NodeLogs"] = "what Jobs sends, cut into bounded lines",
        ["Portal.Proxy.AppTransformer"] = "what passes through to a browser, piece by piece, with limits of its own",
    };

    [Fact]
    public void Product_ReadsWithoutLimit_OnlyWhereItIsNamed()
    {
        Type[] programs = [typeof(Portal.Jobs.PortalJobsServices), typeof(Portal.Core.Data.PortalDb), typeof(Shell.App)];
        var found = programs.SelectMany(t => Calls(t.Assembly.Location)).ToList();

        found.Where(c => !Allowed.ContainsKey(c.Outer)).Select(c => $"{c.Outer} calls {c.Called}").Distinct(StringComparer.Ordinal).ShouldBeEmpty();
        Allowed.Keys.Except(found.Select(c => c.Outer), StringComparer.Ordinal).ShouldBeEmpty("allowed, and not needed");
    }

    [Fact]
    public void Search_FindsCallsInAsyncMethodsAndLambdas()
    {
        var reads = typeof(Reads).FullName!.Replace('+', '/');
        Calls(typeof(ReadingTests).Assembly.Location).Where(c => c.Outer == reads).Select(c => c.Called).Order(StringComparer.Ordinal)
            .ShouldBe(["HttpClient.GetStringAsync", "HttpContent.ReadAsStringAsync", "TextReader.ReadToEnd"]);
    }

    private static IEnumerable<(string Outer, string Called)> Calls(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(assembly);
        foreach (var type in module.GetTypes())
            foreach (var called in type.Methods.Where(m => m.HasBody).SelectMany(m => m.Body.Instructions).Select(i => i.Operand).OfType<MethodReference>())
                if (IsUnbounded(called)) yield return (Outer(type), $"{called.DeclaringType.Name}.{called.Name}");
    }

    private static bool IsUnbounded(MethodReference called) => !Harmless.Contains(called.Name, StringComparer.Ordinal)
        && Array.Exists(Unbounded, u => u.Type == called.DeclaringType.FullName && u.Methods.Split(' ').Any(pattern => Matches(pattern, called.Name)));

    private static bool Matches(string pattern, string name) => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);

    /// <summary>The type in the source: state machines and closures are nested in it.</summary>
    private static string Outer(TypeDefinition type) => type.Name.StartsWith('<') && type.DeclaringType is { } outer ? Outer(outer) : type.FullName;

    /// <summary>What the search must find.</summary>
    private static class Reads
    {
        public static async Task<string> InAMethodAsync(HttpContent content) => await content.ReadAsStringAsync(CancellationToken.None);

        public static Func<HttpClient, Task<string>> InALambda => async http => await http.GetStringAsync(new Uri("http://x"), CancellationToken.None);

        public static IEnumerable<string> InAnIterator(StreamReader reader)
        {
            yield return reader.ReadToEnd();
        }
    }
}
