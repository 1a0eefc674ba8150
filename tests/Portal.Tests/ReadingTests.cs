using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Mono.Cecil;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Tests;

/// <summary>
/// Bytes of a workspace are read only by Portal.Jobs.Foreign.ForeignReader, which has limits. Checked in the compiled code: a call that reads
/// without a limit is allowed only if it is listed here with its reason.
/// </summary>
public sealed class ReadingTests
{
    /// <summary>
    /// Type and method of calls that read until the other side stops; "Name(Type" is only the overload that begins with that parameter. Compiled code
    /// names the type that declares a virtual method first, not the one that overrides it. There HttpClient's own SendAsync, which keeps the whole
    /// response, looks like that of any invoker, so it is forbidden to make an HttpClient too.
    /// </summary>
    private static readonly (string Type, string Methods)[] Unbounded =
    [
        ("System.Net.Http.HttpContent", "ReadAs* LoadIntoBufferAsync CopyTo*"),
        ("System.Net.Http.HttpClient", ".ctor *Async Send"),
        ("System.Net.Http.IHttpClientFactory", "CreateClient"),
        ("System.Net.Http.HttpClientFactoryExtensions", "CreateClient"),
        ("System.Net.Http.HttpMessageInvoker", "Send SendAsync"),
        ("System.Net.Http.Json.HttpContentJsonExtensions", "*"),
        ("System.Net.Http.Json.HttpClientJsonExtensions", "*"),
        ("System.Net.WebSockets.WebSocket", "ReceiveAsync"),
        ("System.Net.WebSockets.ClientWebSocket", "ReceiveAsync"),
        ("System.Net.WebSockets.WebSocketStream", "Create*"),
        ("System.IO.TextReader", "*"),
        ("System.IO.StreamReader", "*"),
        ("System.IO.Stream", "CopyTo*"),
        ("System.IO.File", "ReadAll*"),
        ("System.IO.File", "ReadLines*"),
        ("System.IO.BinaryReader", "ReadString"),
        ("System.IO.Pipelines.PipeReader", "CopyTo* ReadAtLeastAsync"),
        ("System.Diagnostics.Process", "BeginOutputReadLine BeginErrorReadLine"),
        ("System.Text.Json.JsonSerializer", "DeserializeAsync* Deserialize(Stream"),
        ("System.Text.Json.JsonDocument", "ParseAsync Parse(Stream"),
        ("System.Text.Json.Nodes.JsonNode", "ParseAsync Parse(Stream"),
        ("System.Xml.Linq.XDocument", "Load*"),
        ("System.Xml.Linq.XElement", "Load*"),
        ("System.Xml.XmlDocument", "Load"),
        ("System.Xml.XmlReader", "Create(Stream"),
        ("Docker.DotNet.MultiplexedStream", "*"),
    ];

    /// <summary>These read nothing.</summary>
    private static readonly string[] Harmless = [".ctor", "get_BaseStream", "Dispose", "DisposeAsync"];

    /// <summary>What does not come from a workspace, and what limits it. The name of a type, or also of the only call that it may make.</summary>
    private static readonly Dictionary<string, string> Allowed = new(StringComparer.Ordinal)
    {
        ["Portal.Jobs.Foreign.ForeignReader"] = "the one",
        ["Portal.Jobs.Clouds.Containers.NodeLogs MultiplexedStream.ReadOutputAsync"] = "hands the stream to it, or follows a log line by line, each bounded",
        ["Portal.Jobs.Clouds.Containers.NodeCommand MultiplexedStream.ReadOutputAsync"] = "hands the engine's stream to it",
        ["Portal.Jobs.Proofs.EngineCounts HttpMessageInvoker.SendAsync"] = "returns at the head of the response, and hands its body to it",
        ["Portal.Jobs.Proofs.AppVisit HttpMessageInvoker.SendAsync"] = "returns at the head of the response",
        ["Portal.Jobs.Proofs.PortalVisit HttpMessageInvoker.SendAsync"] = "returns at the head of the response, and hands its body to it",
        ["Portal.Jobs.Clouds.Containers.ContainerEngine/Line HttpClient..ctor"] = "for the engine's own answers",
        ["Portal.Jobs.Clouds.Containers.ContainerEngine"] = "the engine's own answers, 4 MiB at most",
        ["Portal.Jobs.Clouds.Containers.ContainerEngine/Answers"] = "the engine's refusals, 1 MiB at most, and a server's answers, 4 MiB",
        ["Portal.Jobs.Clouds.Docker.DockerEvents"] = "the engine's own events",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.ArchiveFetcher"] = "files that pip and Maven fetched, within their limit of disk",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.ClientRun"] = "what pip and Maven write, piece by piece, cut into bounded lines",
        ["Portal.Jobs.Clouds.Docker.Images.Fetch.Pip"] = "a resource of the program",
        ["Portal.Jobs.Clouds.Docker.Images.ImagePlan"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.ImagePlan/Planner"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.ImageRecipe"] = "recipes and archives of the operator",
        ["Portal.Jobs.Clouds.Docker.Images.DebianRoot"] = "a program of the host",
        ["Portal.Jobs.Clouds.Containers.SeccompProfile"] = "a file of the operator",
        ["Portal.Jobs.Clouds.Docker.CgroupFiles"] = "the kernel's own files",
        ["Portal.Jobs.Clouds.Docker.HostRanges"] = "the kernel's own files",
        ["Portal.Jobs.Clouds.Docker.Identities"] = "a file that it wrote itself",
        ["Portal.Jobs.Clouds.OpenStack.OpenStackHttp HttpClient.SendAsync"] = "returns at the head of the answer, and hands its body to it",
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
        ["Portal.Proxy.AppTransformer HttpContent.ReadAsStreamAsync"] = "what passes through to a browser, piece by piece, with limits of its own",
    };

    [Fact]
    public void Product_ReadsWithoutLimit_OnlyWhereItIsNamed()
    {
        Type[] programs = [typeof(Portal.Jobs.PortalJobsServices), typeof(Portal.Core.Data.PortalDb), typeof(Shell.App)];
        var found = programs.SelectMany(t => Calls(t.Assembly.Location)).ToList();

        found.Where(c => !Allowed.ContainsKey(c.Outer)).Select(c => $"{c.Outer} {c.Called}").Except(Allowed.Keys, StringComparer.Ordinal).ShouldBeEmpty();
        Allowed.Keys.Except(found.SelectMany(c => (string[])[c.Outer, $"{c.Outer} {c.Called}"]), StringComparer.Ordinal)
            .ShouldBeEmpty("allowed, and not needed");
    }

    [Fact]
    public void Search_FindsCallsInAsyncMethodsAndLambdas() =>
        CallsOf(typeof(Reads)).ShouldBe(["HttpClient.GetStringAsync", "HttpContent.ReadAsStringAsync", "TextReader.ReadToEnd"]);

    /// <summary>Each is written as product code would write it: most are found under another type than the one in the source.</summary>
    [Fact]
    public void Search_FindsEveryForm() => CallsOf(typeof(Forms)).ShouldBe(
    [
        "File.ReadLines", "HttpClient..ctor", "HttpClient.GetAsync", "HttpClient.GetStreamAsync", "HttpClient.PostAsync",
        "HttpClientJsonExtensions.GetFromJsonAsAsyncEnumerable", "HttpClientJsonExtensions.GetFromJsonAsync", "HttpClientJsonExtensions.PostAsJsonAsync",
        "HttpContent.CopyToAsync", "HttpContent.ReadAsByteArrayAsync", "HttpContent.ReadAsStreamAsync", "HttpContent.ReadAsStringAsync",
        "HttpContentJsonExtensions.ReadFromJsonAsync", "HttpMessageInvoker.Send", "HttpMessageInvoker.SendAsync", "JsonDocument.Parse", "JsonNode.Parse",
        "JsonSerializer.Deserialize", "Process.BeginOutputReadLine", "Stream.CopyToAsync", "TextReader.ReadLineAsync", "TextReader.ReadToEndAsync",
        "WebSocket.ReceiveAsync", "WebSocketStream.CreateReadableMessageStream", "XDocument.LoadAsync",
    ]);

    /// <summary>What compiled code calls instead of an override.</summary>
    [Fact]
    public void Overrides_OfForbiddenCalls_AreForbiddenUnderTheTypeThatDeclaresThem()
    {
        Assembly[] libraries = [typeof(HttpClient).Assembly, typeof(HttpClientJsonExtensions).Assembly, typeof(WebSocket).Assembly,
            typeof(ClientWebSocket).Assembly, typeof(StreamReader).Assembly, typeof(JsonDocument).Assembly, typeof(XDocument).Assembly,
            typeof(Docker.DotNet.MultiplexedStream).Assembly];
        var types = Unbounded.Select(u => libraries.Select(l => l.GetType(u.Type)).FirstOrDefault(t => t is not null)).OfType<Type>().ToList();
        types.ShouldContain(typeof(HttpClient));

        var open = from type in types
                   from method in type.GetMethods()
                   let first = method.GetBaseDefinition()
                   where first.DeclaringType != typeof(object) && first.DeclaringType != typeof(MarshalByRefObject)
                       && IsUnbounded(type.FullName!, method.Name, First(method)) && !IsUnbounded(first.DeclaringType!.FullName!, first.Name, First(first))
                   select $"{type.Name}.{method.Name} is called as {first.DeclaringType!.Name}.{first.Name}";

        open.Distinct(StringComparer.Ordinal).ShouldBeEmpty();

        static string? First(MethodInfo method) => method.GetParameters().FirstOrDefault()?.ParameterType.Name;
    }

    private static List<string> CallsOf(Type nested) => [.. Calls(nested.Assembly.Location).Where(c => c.Outer == nested.FullName!.Replace('+', '/'))
        .Select(c => c.Called).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    private static IEnumerable<(string Outer, string Called)> Calls(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(assembly);
        foreach (var type in module.GetTypes())
            foreach (var called in type.Methods.Where(m => m.HasBody).SelectMany(m => m.Body.Instructions).Select(i => i.Operand).OfType<MethodReference>())
                if (IsUnbounded(called.DeclaringType.FullName, called.Name, called.Parameters.FirstOrDefault()?.ParameterType.Name))
                    yield return (Outer(type), $"{called.DeclaringType.Name}.{called.Name}");
    }

    private static bool IsUnbounded(string type, string method, string? first)
    {
        var patterns = Unbounded.Where(u => u.Type == type).SelectMany(u => u.Methods.Split(' ')).ToList();
        return patterns.Contains(method, StringComparer.Ordinal)
            || (!Harmless.Contains(method, StringComparer.Ordinal) && patterns.Exists(p => p == $"{method}({first}" || Matches(p, method)));
    }

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

    /// <summary>All the ways in which a workspace's bytes might be read.</summary>
    private static class Forms
    {
        private static readonly Uri At = new("http://x");

        public static async Task OfAClientAsync(HttpRequestMessage request, HttpContent body, CancellationToken cancel)
        {
            using var http = new HttpClient();
            (await http.SendAsync(request, cancel)).Dispose();
            http.Send(request, cancel).Dispose();
            (await http.GetAsync(At, cancel)).Dispose();
            (await http.PostAsync(At, body, cancel)).Dispose();
            await using var stream = await http.GetStreamAsync(At, cancel);
            (await http.PostAsJsonAsync(At, 1, cancel)).Dispose();
            await http.GetFromJsonAsync<int>(At, cancel);
            await foreach (var _ in http.GetFromJsonAsAsyncEnumerable<int>(At, cancel)) { }
        }

        public static async Task OfAResponseAsync(StreamContent content, MemoryStream to, CancellationToken cancel)
        {
            await content.ReadAsStringAsync(cancel);
            await content.ReadAsByteArrayAsync(cancel);
            await content.ReadFromJsonAsync<int>(cancel);
            await content.CopyToAsync(to, cancel);
            await (await content.ReadAsStreamAsync(cancel)).CopyToAsync(to, cancel);
        }

        public static async Task OfASocketAsync(ClientWebSocket socket, CancellationToken cancel)
        {
            await socket.ReceiveAsync(new byte[1].AsMemory(), cancel);
            await using var message = WebSocketStream.CreateReadableMessageStream(socket);
        }

        public static async Task OfAStreamAsync(FileStream stream, StreamReader reader, CancellationToken cancel)
        {
            await reader.ReadToEndAsync(cancel);
            await reader.ReadLineAsync(cancel);
            JsonSerializer.Deserialize<int>(stream);
            JsonNode.Parse(stream);
            JsonDocument.Parse(stream).Dispose();
            await XDocument.LoadAsync(stream, LoadOptions.None, cancel);
        }

        public static IEnumerable<string> OfAFile(string path) => File.ReadLines(path);

        public static void OfAProgram(System.Diagnostics.Process process) => process.BeginOutputReadLine();

        // None of these reads without a limit.
        public static async Task BoundedAsync(Stream stream, string text, CancellationToken cancel)
        {
            await stream.ReadExactlyAsync(new byte[1], cancel);
            JsonSerializer.Deserialize<int>(text);
            JsonNode.Parse(text);
            JsonDocument.Parse(text).Dispose();
        }
    }
}
