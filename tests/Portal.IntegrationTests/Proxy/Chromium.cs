using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A page of the real browser, with its own profile, over the DevTools protocol, for what no client of ours could imitate.</summary>
internal sealed partial class Chromium : IAsyncDisposable
{
    /// <summary>Modifier of the keyboard.</summary>
    public const int Control = 2;

    private static readonly Dictionary<string, int> Codes = new(StringComparer.Ordinal) { ["Delete"] = 46 };
    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private Task _complaints = Task.CompletedTask;
    private string? _session;
    private int _calls;

    private Chromium(Process process, string profile) => (_process, _profile) = (process, profile);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<Chromium> StartAsync()
    {
        var profile = Directory.CreateTempSubdirectory("portal-chromium-").FullName;
        string[] arguments =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", $"--user-data-dir={profile}", "about:blank",
        ];
        var process = Process.Start(new ProcessStartInfo("/usr/bin/chromium", arguments) { RedirectStandardError = true, UseShellExecute = false })!;
        var chromium = new Chromium(process, profile);
        try
        {
            string? line;
            do line = await process.StandardError.ReadLineAsync(Cancel) ?? throw new InvalidOperationException("Chromium exited before it started listening.");
            while (!Listening().IsMatch(line));
            chromium._complaints = process.StandardError.ReadToEndAsync(CancellationToken.None); // keep reading, or it would block on a full pipe
            await chromium._socket.ConnectAsync(new(Listening().Match(line).Groups["at"].Value), Cancel);
            var target = (await chromium.CallAsync("Target.createTarget", new() { ["url"] = "about:blank" }))["targetId"]!.GetValue<string>();
            var attached = await chromium.CallAsync("Target.attachToTarget", new() { ["targetId"] = target, ["flatten"] = true });
            chromium._session = attached["sessionId"]!.GetValue<string>();
            return chromium;
        }
        catch
        {
            await chromium.DisposeAsync();
            throw;
        }
    }

    public Task SetCookieAsync(string url, string name, string value) => CallAsync("Network.setCookie", new()
    {
        ["url"] = url,
        ["name"] = name,
        ["value"] = value,
        ["path"] = "/",
        ["secure"] = true,
        ["httpOnly"] = true,
        ["sameSite"] = "Lax",
    });

    /// <summary>As if typed by a person.</summary>
    public Task GoAsync(string url) => CallAsync("Page.navigate", new() { ["url"] = url });

    /// <summary>The value of a script in the page, awaited if it is a promise; text. Throws what the script throws.</summary>
    public async Task<string> EvaluateAsync(string script)
    {
        var answer = await CallAsync("Runtime.evaluate", new() { ["expression"] = script, ["awaitPromise"] = true, ["returnByValue"] = true });
        if (answer["exceptionDetails"] is { } thrown) throw new InvalidOperationException(thrown.ToJsonString());
        return answer["result"]!["value"]?.ToString() ?? "";
    }

    /// <summary>Clicks the middle of the first element that is drawn and has this selector, as a mouse does; waits for it for a while.</summary>
    public async Task ClickAsync(string selector, int times = 1)
    {
        var at = JsonNode.Parse(await EvaluateAsync($$"""
            new Promise((done, fail) => {
              const look = left => {
                const box = [...document.querySelectorAll({{JsonSerializer.Serialize(selector)}})].map(e => e.getBoundingClientRect()).find(b => b.width > 0);
                if (box) done(JSON.stringify({ x: box.x + box.width / 2, y: box.y + box.height / 2 }));
                else if (left === 0) fail(new Error("nothing to click"));
                else setTimeout(look, 50, left - 1);
              };
              look(200);
            })
            """))!;
        for (var i = 1; i <= times; i++)
            foreach (var type in (string[])["mousePressed", "mouseReleased"])
                await CallAsync("Input.dispatchMouseEvent", new()
                {
                    ["type"] = type,
                    ["x"] = at["x"]!.DeepClone(),
                    ["y"] = at["y"]!.DeepClone(),
                    ["button"] = "left",
                    ["clickCount"] = i,
                });
    }

    public Task TypeAsync(string text) => CallAsync("Input.insertText", new() { ["text"] = text });

    /// <param name="key">A letter, or the name of a key whose code is in <see cref="Codes"/>.</param>
    public async Task PressAsync(string key, int modifiers = 0)
    {
        foreach (var type in (string[])["rawKeyDown", "keyUp"])
            await CallAsync("Input.dispatchKeyEvent", new()
            {
                ["type"] = type,
                ["key"] = key,
                ["code"] = key.Length == 1 ? $"Key{char.ToUpperInvariant(key[0])}" : key,
                ["windowsVirtualKeyCode"] = key.Length == 1 ? char.ToUpperInvariant(key[0]) : Codes[key],
                ["modifiers"] = modifiers,
            });
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        await _complaints;
        _process.Dispose();
        Directory.Delete(_profile, recursive: true);
    }

    private async Task<JsonNode> CallAsync(string method, JsonObject parameters)
    {
        var id = ++_calls;
        var call = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session is not null) call["sessionId"] = _session;
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(call), WebSocketMessageType.Text, true, Cancel);
        while (true)
        {
            using var message = new MemoryStream();
            var buffer = new byte[1 << 16];
            ValueWebSocketReceiveResult got;
            do
            {
                got = await _socket.ReceiveAsync(buffer.AsMemory(), Cancel);
                message.Write(buffer, 0, got.Count);
            }
            while (!got.EndOfMessage);
            var heard = JsonNode.Parse(message.ToArray())!;
            if (heard["id"]?.GetValue<int>() != id) continue;
            return heard["result"] ?? throw new InvalidOperationException(heard.ToJsonString());
        }
    }

    [GeneratedRegex(@"DevTools listening on (?<at>ws://\S+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Listening();
}
