using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>What a person does in a real JupyterLab, through the real proxy.</summary>
[Trait("Lane", "long")]
public sealed class OpenLabTests(OpenLab lab) : IClassFixture<OpenLab>
{
    private const string Dialog = "document.querySelector('.jp-Dialog')?.innerText ?? ''", Answer = ".jp-Dialog-footer button:last-child";

    /// <summary>What a terminal is told when a line has been typed.</summary>
    private const string EndOfInput = "\u001b[?2004l";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Contents_WithAnEncodedSlash_AreThoseOfTheFolder()
    {
        await lab.Node.TypeAsync("mkdir -p examples/dask 'examples/50% & more' && echo 1 > examples/dask/a.txt && echo 2 > 'examples/50% & more/b.txt'");
        foreach (var (encoded, plain, file) in ((string, string, string)[])
            [("examples%2Fdask", "examples/dask", "a.txt"), ("examples%2F50%25%20%26%20more", "examples/50%25%20&%20more", "b.txt")])
        {
            using var answer = await lab.Visitor.GetAsync($"{lab.Url}/api/contents/{encoded}");
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            var body = await answer.Content.ReadAsStringAsync(Cancel);
            JsonNode.Parse(body)!["content"]!.AsArray().Select(f => (string)f!["name"]!).ShouldBe([file]);
            using var same = await lab.Visitor.GetAsync($"{lab.Url}/api/contents/{plain}");
            (await same.Content.ReadAsStringAsync(Cancel)).ShouldBe(body);
        }
    }

    [Fact]
    public async Task KernelMessage_LongerThanJupytersOwnLimit_ArrivesEitherWay()
    {
        const int Length = 12 << 20;
        using var made = await lab.Visitor.SendAsync(HttpMethod.Post, lab.Url + "/api/kernels", JsonContent.Create(new { name = "python3" }), lab.Url);
        var kernel = (string)JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancel))!["id"]!;
        using var socket = await lab.Visitor.SocketAsync($"{lab.Url}/api/kernels/{kernel}/channels", lab.Url);
        const string listen = """
            import builtins
            get_ipython().kernel.comm_manager.register_target('t', lambda comm, m: setattr(builtins, 'got', len(m['content']['data']['x'])))
            """;
        await socket.SayAsync("execute_request", KernelSocket.Cell(listen));
        var data = new JsonObject { ["x"] = new string('a', Length) };
        await socket.SayAsync("comm_open", new() { ["comm_id"] = "c", ["target_name"] = "t", ["data"] = data });
        (await socket.SayAsync("execute_request", KernelSocket.Cell("got"))).ShouldBe($"{Length}");

        var shown = await socket.SayAsync("execute_request", KernelSocket.Cell($"display({{'text/plain': 'b' * {Length}}}, raw=True)"));

        shown.Length.ShouldBe(Length);
        shown.Trim('b').ShouldBeEmpty();
        using var ended = await lab.Visitor.SendAsync(HttpMethod.Delete, $"{lab.Url}/api/kernels/{kernel}", origin: lab.Url);
        ended.StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    /// <summary>A shell that the notebook server starts, not a command that a test runs in the container.</summary>
    [Fact]
    public async Task Terminal_ShowsTheLimitsOfFolderAndNode()
    {
        using var made = await lab.Visitor.SendAsync(HttpMethod.Post, lab.Url + "/api/terminals", JsonContent.Create(new { }), lab.Url);
        var name = (string)JsonNode.Parse(await made.Content.ReadAsStringAsync(Cancel))!["name"]!;
        using var socket = await lab.Visitor.SocketAsync($"{lab.Url}/terminals/websocket/{name}", lab.Url);

        (await TypeAsync(socket, "df -h ~/work | tail -n 1")).ShouldMatch($@" {OpenLab.FolderMib}M +\S+ +\S+ +\d+% /home/student/work$");
        (await TypeAsync(socket, "df -h . | tail -n 1")).ShouldMatch($@" {OpenLab.FolderMib}M ");
        (await TypeAsync(socket, "free -m | awk '/^Mem:/ { print $2 }'")).ShouldBe($"{OpenLab.MemoryMib}");
        (await TypeAsync(socket, "nproc; nproc --all")).ShouldBe("1\n1");
        (await TypeAsync(socket, "python3 -c 'import os; print(os.cpu_count())'")).ShouldBe("1");
        (await TypeAsync(socket, "df -h --output=size /dev/shm /tmp | tail -n 2 | tr -d ' '")).ShouldBe("512M\n512M");
    }

    /// <summary>What JupyterLab displays while the folder has no room for one more byte.</summary>
    [Fact]
    public async Task FullFolder_InTheBrowser_SaysWhatToDoAndOpensAndDeletes()
    {
        foreach (var name in (string[])["a", "b"])
            (await lab.Node.RequestAsync(HttpMethod.Put, $"api/contents/{name}.ipynb", Notebook(name))).Status.ShouldBe(201);
        await lab.Node.FillAsync();
        await using var browser = await Chromium.StartAsync();
        await browser.SetCookieAsync(lab.Url, lab.Web.AppCookie, lab.Visitor.Cookies[(new Uri(lab.Url).Authority, lab.Web.AppCookie)]);

        await browser.GoAsync(lab.Url + "/lab/tree/a.ipynb");
        await ShowsAsync(browser, "a");
        await browser.ClickAsync(".jp-NotebookPanel:not(.lm-mod-hidden) .cm-content");
        await browser.TypeAsync(" is changed");
        await ShowsAsync(browser, "a is changed");
        await browser.PressAsync("s", Chromium.Control);
        await Until.TrueAsync("JupyterLab says why it does not save", async () => (await browser.EvaluateAsync(Dialog)).Length > 0, Cancel);
        var said = await browser.EvaluateAsync(Dialog);
        said.ShouldContain("File Save Error for a.ipynb");
        said.ShouldContain("Your folder is full: 24.0 of 24 MiB. Nothing was saved, and what was there before is untouched. "
            + "Delete what you no longer need, in the file browser or in a terminal, and save again; "
            + "if you need all of it, ask your instructor for a larger folder.");

        await browser.ClickAsync(Answer);
        await browser.ClickAsync(Item("b.ipynb"), times: 2);
        await ShowsAsync(browser, "b");
        await browser.ClickAsync(Item("big"));
        await browser.PressAsync("Delete");
        await Until.TrueAsync("it asks", async () => (await browser.EvaluateAsync(Dialog)).StartsWith("Delete\n", StringComparison.Ordinal), Cancel);
        await browser.ClickAsync(Answer);
        await Until.TrueAsync("it is deleted", () => !File.Exists(Path.Combine(lab.Node.Folder, "big")), Cancel);

        await browser.ClickAsync(".lm-TabBar-tab[title*='a.ipynb']");
        await ShowsAsync(browser, "a is changed");
        await browser.PressAsync("s", Chromium.Control);
        var saved = Path.Combine(lab.Node.Folder, "a.ipynb");
        await Until.TrueAsync("it is saved", () => File.ReadAllText(saved).Contains("a is changed", StringComparison.Ordinal), Cancel);
        await lab.Node.TypeAsync("rm -f mid small last");
    }

    private static string Item(string name) => $".jp-DirListing-item[title*='Name: {name}']";

    private static Task<TimeSpan> ShowsAsync(Chromium browser, string text) => Until.TrueAsync($"the notebook shows {text}", async () =>
        await browser.EvaluateAsync("document.getElementById('jupyterlab-splash') ? '' "
            + ": document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .cm-content')?.innerText ?? ''") == text, Cancel, TimeSpan.FromSeconds(60));

    /// <summary>Types a command and returns what it prints.</summary>
    private static async Task<string> TypeAsync(ClientWebSocket socket, string command)
    {
        // The line as it is typed is echoed too, and has no such words.
        var line = JsonSerializer.SerializeToUtf8Bytes((string[])["stdin", $"echo be''gin; {command}; echo e''nd\r"]);
        await socket.SendAsync(line, WebSocketMessageType.Text, true, Cancel);
        var output = "";
        while (!output.Contains("\nend\n", StringComparison.Ordinal))
            if (JsonNode.Parse(await socket.HearAsync()) is JsonArray heard && (string?)heard[0] == "stdout")
                output = (output + (string?)heard[1]).Replace("\r", "", StringComparison.Ordinal).Replace(EndOfInput, "", StringComparison.Ordinal);
        return output.Split("\nbegin\n")[1].Split("\nend\n")[0];
    }

    private static JsonObject Notebook(string source)
    {
        var content = JsonNode.Parse("""
            {"nbformat": 4, "nbformat_minor": 4, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}},
             "cells": [{"cell_type": "code", "metadata": {}, "execution_count": null, "outputs": []}]}
            """)!;
        content["cells"]![0]!["source"] = source;
        return new() { ["type"] = "notebook", ["format"] = "json", ["content"] = content };
    }
}
