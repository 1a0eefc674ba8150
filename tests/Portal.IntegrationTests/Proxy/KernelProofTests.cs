using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Proofs;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Jobs' kernel check over the real web process: ticket as role portal_jobs, proxy, a server that speaks Jupyter's protocol well or badly.</summary>
public sealed class KernelProofTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Proof_KernelThatComputes_IsProvenAndLeavesNone()
    {
        await using var jupyter = await Jupyter.StartAsync(code => code == "6*7" ? "42" : "?");
        (await ProveAsync(jupyter.Port)).ShouldBeOfType<ProofOutcome.Proven>();
        jupyter.Kernels.ShouldBe(0);
    }

    [Fact]
    public async Task Proof_KernelThatMiscomputes_IsBroken()
    {
        await using var jupyter = await Jupyter.StartAsync(_ => "41");
        (await ProveAsync(jupyter.Port)).ShouldBeOfType<ProofOutcome.Broken>().Cause.ShouldContain("41");
        jupyter.Kernels.ShouldBe(0);
    }

    [Theory]
    [InlineData(500, typeof(ProofOutcome.NotYet))]
    [InlineData(403, typeof(ProofOutcome.Broken))]
    [InlineData(404, typeof(ProofOutcome.NotYet))]
    [InlineData(503, typeof(ProofOutcome.NotYet))]
    public async Task Proof_NotebookThatStartsNoKernel_SaysWhich(int status, Type outcome)
    {
        await using var jupyter = await Jupyter.StartAsync(_ => "42", () => status);
        (await ProveAsync(jupyter.Port)).ShouldBeOfType(outcome);
    }

    [Fact]
    public async Task Proof_NotebookThatFailsOnce_IsProvenTheNextTime()
    {
        var status = 500;
        await using var jupyter = await Jupyter.StartAsync(_ => "42", () => status);
        var first = (await ProveAsync(jupyter.Port)).ShouldBeOfType<ProofOutcome.NotYet>();
        first.WebUnavailable.ShouldBeFalse(); // its deadline runs
        first.Why.ShouldContain("500");
        status = 201;
        (await ProveAsync(jupyter.Port)).ShouldBeOfType<ProofOutcome.Proven>();
    }

    [Fact]
    public async Task Proof_NothingListens_IsNotYetAndNotTheWebsFault() =>
        (await ProveAsync(WebFixture.FreePort())).ShouldBeOfType<ProofOutcome.NotYet>().WebUnavailable.ShouldBeFalse();

    [Fact]
    public async Task Proof_WebUnavailable_Waits()
    {
        await using var jupyter = await Jupyter.StartAsync(_ => "42");
        (await ProveAsync(jupyter.Port, connectTo: NoWeb)).ShouldBeOfType<ProofOutcome.NotYet>().WebUnavailable.ShouldBeTrue();
    }

    // Launches that are starting check often: the full path is only taken once something is listening.
    [Fact]
    public async Task Proof_NothingListens_AsksTheWebForNothing() =>
        (await ProveAsync(WebFixture.FreePort(), connectTo: NoWeb)).ShouldBeOfType<ProofOutcome.NotYet>().WebUnavailable.ShouldBeFalse();

    private static string NoWeb => $"127.0.0.1:{WebFixture.FreePort()}";

    private Task<ProofOutcome> ProveAsync(int appPort, string? connectTo = null) => ProofAttempt.RunAsync(web, appPort, connectTo, Cancel);

    /// <summary>As much of a Jupyter server as the kernel check needs: kernels that start, compute over a WebSocket among other messages, and end.</summary>
    private sealed class Jupyter : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private int _kernels;

        private Jupyter(WebApplication app) => _app = app;

        public int Port => new Uri(_app.Urls.First()).Port;
        public int Kernels => Volatile.Read(ref _kernels);

        public static async Task<Jupyter> StartAsync(Func<string, string> compute, Func<int>? startStatus = null)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration["urls"] = "http://127.0.0.1:0";
            builder.Logging.ClearProviders();
            var app = builder.Build();
            var jupyter = new Jupyter(app);
            app.UseWebSockets();
            app.MapPost("/api/kernels", () =>
            {
                if (startStatus?.Invoke() is { } status and not 201) return Results.StatusCode(status);
                Interlocked.Increment(ref jupyter._kernels);
                return Results.Json(new { id = Guid.CreateVersion7(), name = "python3" }, statusCode: 201);
            });
            app.MapDelete("/api/kernels/{id:guid}", (Guid id) =>
            {
                Interlocked.Decrement(ref jupyter._kernels);
                return Results.NoContent();
            });
            app.Map("/api/kernels/{id:guid}/channels", async (Guid id, HttpContext http) =>
            {
                using var socket = await http.WebSockets.AcceptWebSocketAsync();
                var buffer = new byte[1 << 16];
                var got = await socket.ReceiveAsync(buffer, http.RequestAborted);
                var asked = JsonNode.Parse(buffer.AsSpan(0, got.Count))!;
                async Task Say(string type, JsonNode content)
                {
                    var message = new JsonObject
                    {
                        ["msg_type"] = type,
                        ["parent_header"] = asked["header"]!.DeepClone(),
                        ["content"] = content,
                        ["channel"] = "iopub"
                    };
                    var bytes = System.Text.Encoding.UTF8.GetBytes(message.ToJsonString());
                    // In two frames: a message ends where it says, not where a read does.
                    await socket.SendAsync(bytes.AsMemory(0, 10), WebSocketMessageType.Text, false, http.RequestAborted);
                    await socket.SendAsync(bytes.AsMemory(10), WebSocketMessageType.Text, true, http.RequestAborted);
                }
                await Say("status", new JsonObject { ["execution_state"] = "busy" });
                await Say("execute_result",
                    new JsonObject { ["data"] = new JsonObject { ["text/plain"] = compute(asked["content"]!["code"]!.GetValue<string>()) } });
                await Say("status", new JsonObject { ["execution_state"] = "idle" });
                while (socket.State == WebSocketState.Open) await socket.ReceiveAsync(buffer, http.RequestAborted);
            });
            await app.StartAsync();
            return jupyter;
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
