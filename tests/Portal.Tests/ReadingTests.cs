using Mono.Cecil;

namespace Portal.Tests;

/// <summary>
/// Nothing of a workspace is read but by Portal.Jobs.Foreign.ForeignReader, which has limits. Read from the compiled code: a call that reads
/// without a limit is allowed only where it is named here with its reason.
/// </summary>
public sealed class ReadingTests
{
    /// <summary>Type and method of what reads until the other side has had enough.</summary>
    private static readonly (string Type, string Method)[] Unbounded =
    [
        ("System.Net.Http.HttpContent", "ReadAsStringAsync"), ("System.Net.Http.HttpContent", "ReadAsByteArrayAsync"), ("System.Net.Http.HttpContent", "ReadAsStreamAsync"),
        ("System.Net.Http.HttpContent", "ReadAsStream"), ("System.Net.Http.HttpContent", "LoadIntoBufferAsync"), ("System.Net.Http.HttpContent", "CopyToAsync"), ("System.Net.Http.HttpContent", "CopyTo"),
        ("System.Net.Http.Json.HttpContentJsonExtensions", "*"), ("System.Net.Http.Json.HttpClientJsonExtensions", "*"), ("System.Net.Http.HttpClient", "*Async"), ("System.Net.Http.HttpClient", "Send"),
        ("System.IO.TextReader", "*"), ("System.IO.StreamReader", "*"), ("System.IO.Stream", "CopyToAsync"), ("System.IO.Stream", "CopyTo"), ("System.IO.File", "ReadAll*"),
        ("System.Net.WebSockets.WebSocket", "ReceiveAsync"), ("System.Net.WebSockets.ClientWebSocket", "ReceiveAsync"), ("Docker.DotNet.MultiplexedStream", "*"),
        ("System.Text.Json.JsonSerializer", "DeserializeAsync*"), ("System.Text.Json.JsonDocument", "ParseAsync"), ("System.Text.Json.Nodes.JsonNode", "ParseAsync"),
    ];

    /// <summary>What is not a workspace's, and what bounds it by itself.</summary>
    private static readonly Dictionary<string, string> Allowed = new(StringComparer.Ordinal)
    {
        ["Portal.Jobs.Foreign.ForeignReader"] = "the one",
        ["Portal.Jobs.Clouds.Docker.NodeLogs"] = "hands the engine's stream to it, or follows a log line by line, each bounded",
        ["Portal.Jobs.Clouds.Docker.NodeCommand"] = "hands the engine's stream to it",
        ["Portal.Jobs.Clouds.Docker.Engine"] = "the engine's own answers, 4 MiB at most",
        ["Portal.Jobs.Clouds.Docker.DockerEvents"] = "the engine's own events",
        ["Portal.Jobs.Clouds.Docker.Images.PackageIndexes"] = "package indexes that the operator names",
        ["Portal.Jobs.Clouds.Docker.Images.ArchiveFetcher"] = "package indexes that the operator names",
        ["Portal.Jobs.Clouds.Docker.Images.ImagePlan"] = "recipes and archives of the operator",
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
        var found = new[] { typeof(Portal.Jobs.PortalJobsServices), typeof(Portal.Core.Data.PortalDb), typeof(Shell.App) }.SelectMany(t => Calls(t.Assembly.Location)).ToList();

        found.Where(c => !Allowed.ContainsKey(c.Outer)).Select(c => $"{c.Outer} calls {c.Called}").Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ShouldBeEmpty();
        Allowed.Keys.Except(found.Select(c => c.Outer), StringComparer.Ordinal).ShouldBeEmpty("allowed, and not needed");
    }

    [Fact]
    public void Search_FindsCallsInAsyncMethodsAndLambdas() =>
        Calls(typeof(ReadingTests).Assembly.Location).Where(c => c.Outer == typeof(Reads).FullName!.Replace('+', '/')).Select(c => c.Called).Order(StringComparer.Ordinal)
            .ShouldBe(["HttpClient.GetStringAsync", "HttpContent.ReadAsStringAsync", "TextReader.ReadToEnd"]);

    private static IEnumerable<(string Outer, string Called)> Calls(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(assembly);
        foreach (var type in module.GetTypes())
            foreach (var method in type.Methods.Where(m => m.HasBody))
                foreach (var called in method.Body.Instructions.Select(i => i.Operand).OfType<MethodReference>())
                    if (called.Name is not (".ctor" or "get_BaseStream" or "Dispose" or "DisposeAsync") && Array.Exists(Unbounded, u => u.Type == called.DeclaringType.FullName && Matches(u.Method, called.Name)))
                        yield return (Outer(type), $"{called.DeclaringType.Name}.{called.Name}");
    }

    private static bool Matches(string pattern, string name) =>
        pattern.StartsWith('*') ? name.EndsWith(pattern[1..], StringComparison.Ordinal) : pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : name == pattern;

    /// <summary>The type as somebody wrote it: state machines and closures lie within.</summary>
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
