using System.Net;
using Microsoft.AspNetCore.Http;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Proofs;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Whatever a notebook answers, the kernel check reads little of it, soon says what is wrong, and names the remedy.</summary>
public sealed class HostileNotebookTests(WebFixture web) : IClassFixture<WebFixture>
{
    /// <summary>What may be buffered in between: two connections, each as much as this kernel lets buffers grow, and the proxy.</summary>
    private static readonly long OnTheWay = (16 << 20) + (2 * (BufferLimit("tcp_rmem") + BufferLimit("tcp_wmem")));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("{\"id\": \"", "a")]
    [InlineData("{", " ")]
    [InlineData("[", "[],")]
    public async Task Proof_StartOfAKernelWithoutEnd_IsBrokenAfterLittleOfIt(string beginning, string more)
    {
        var part = string.Concat(Enumerable.Repeat(more, 65536 / more.Length));
        await using var notebook = new SocketServer(new IPEndPoint(IPAddress.Loopback, 0), async (it, connection, _) =>
        {
            await it.SendAsync(connection, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            await it.SendChunkAsync(connection, beginning);
            while (true) await it.SendChunkAsync(connection, part);
        });
        await BrokenAsync(notebook.Port);
        notebook.Sent.ShouldBeInRange(1 << 16, OnTheWay);
    }

    [Fact]
    public async Task Proof_MessageWithoutEnd_IsBrokenAfterLittleOfIt()
    {
        await using var notebook = await HostileNotebook.StartAsync(compute: async (it, socket, header, cancel) =>
        {
            await it.SendAsync(socket, "{\"msg_type\": \"", end: false, cancel);
            while (true) await it.SendAsync(socket, new('x', 65536), end: false, cancel);
        });
        await BrokenAsync(notebook.Port);
        notebook.Sent.ShouldBeLessThan(OnTheWay + (1 << 20));
    }

    [Theory]
    [InlineData("execute_result", "{\"data\": {\"text/plain\": \"#\"}}")]
    [InlineData("stream", "{\"text\": \"#\"}")]
    [InlineData("display_data", "{\"data\": {\"image/png\": \"#\"}}")]
    public async Task Proof_MessagesWithoutEnd_IsBrokenAfterLittleOfThem(string type, string content)
    {
        var filled = content.Replace("#", new string('x', 500_000), StringComparison.Ordinal);
        await using var notebook = await HostileNotebook.StartAsync(compute: async (it, socket, header, cancel) =>
        {
            while (true) await it.SendAsync(socket, HostileNotebook.Message(type, header, filled), end: true, cancel);
        });
        await BrokenAsync(notebook.Port);
        notebook.Sent.ShouldBeLessThan(OnTheWay + (64 << 20));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("42")]
    [InlineData("{}")]
    [InlineData("{\"id\": 5}")]
    [InlineData("{\"id\": \"\\ud800\"}")]
    [InlineData("{\"\\ud800\": 1}")]
    [InlineData("{\"id\": \"../../etc\"}")]
    [InlineData("<html>")]
    [InlineData("")]
    public async Task Proof_StartOfAKernelThatIsNone_IsBroken(string body)
    {
        await using var notebook = await HostileNotebook.StartAsync((_, http) => http.Response.WriteAsync(body));
        await BrokenAsync(notebook.Port);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"msg_type\": 5, \"parent_header\": #, \"content\": {}}")]
    [InlineData("{\"msg_type\": \"stream\", \"parent_header\": #, \"content\": {\"text\": \"\\ud800\"}}")]
    [InlineData("{\"msg_type\": \"execute_result\", \"parent_header\": #, \"content\": []}")]
    [InlineData("{\"msg_type\": \"error\", \"parent_header\": #, \"content\": {\"ename\": \"a\\u0000b\", \"evalue\": [1]}}")]
    [InlineData("{\"msg_type\": \"execute_result\", \"parent_header\": #, \"content\": {\"data\": {\"text/plain\": \"4\\u00002\"}}}")]
    public async Task Proof_MessageThatIsNone_IsBroken(string message)
    {
        await using var notebook = await HostileNotebook.StartAsync(compute: async (it, socket, header, cancel) =>
        {
            await it.SendAsync(socket, message.Replace("#", header.ToJsonString(), StringComparison.Ordinal), end: true, cancel);
            await it.SendAsync(socket, HostileNotebook.Message("status", header, "{\"execution_state\": \"idle\"}"), end: true, cancel);
        });
        await BrokenAsync(notebook.Port);
    }

    /// <summary>More endless notebooks than responses are parsed at once, some of which never come to an end: another person's launch comes up.</summary>
    [Fact]
    public async Task Proof_BesideEndlessNotebooks_IsProven()
    {
        const int each = 20;
        const string begins = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        await using var dripping = new DrippingApp(begins, "1\r\n \r\n");
        await using var flooding = new SocketServer(new IPEndPoint(IPAddress.Loopback, 0), async (it, connection, _) =>
        {
            await it.SendAsync(connection, begins);
            while (true) await it.SendChunkAsync(connection, new('[', 65536));
        });
        await using var good = await HostileNotebook.StartAsync(compute: async (it, socket, header, cancel) =>
        {
            await it.SendAsync(socket, HostileNotebook.Message("execute_result", header, "{\"data\": {\"text/plain\": \"42\"}}"), end: true, cancel);
            await it.SendAsync(socket, HostileNotebook.Message("status", header, "{\"execution_state\": \"idle\"}"), end: true, cancel);
        });
        // Its clock stands still: what drips would be read for ever.
        await using var jobs = ProofAttempt.Jobs(web, new Microsoft.Extensions.Time.Testing.FakeTimeProvider(TimeProvider.System.GetUtcNow()));
        var (drips, floods, other) = (await ProofAttempt.OrderAsync(web, dripping.Port, "Ada", Cancel),
            await ProofAttempt.OrderAsync(web, flooding.Port, "Ada", Cancel), await ProofAttempt.OrderAsync(web, good.Port, "Alan", Cancel));
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        var endless = Enumerable.Range(0, each).Select(_ => ProofAttempt.RunAsync(jobs, drips, over.Token)).ToList();
        await dripping.Asked.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel);
        var broken = Enumerable.Range(0, each).Select(_ => ProofAttempt.RunAsync(jobs, floods, over.Token)).ToList();
        (await ProofAttempt.RunAsync(jobs, other, Cancel).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel))
            .ShouldBeOfType<ProofOutcome.Proven>();

        endless.ShouldAllBe(e => !e.IsCompleted);
        (await Task.WhenAll(broken)).ShouldAllBe(o => o is ProofOutcome.Broken);
        await over.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => Task.WhenAll(endless));
    }

    private static long BufferLimit(string setting) =>
        long.Parse(File.ReadAllText($"/proc/sys/net/ipv4/{setting}").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[2],
            System.Globalization.CultureInfo.InvariantCulture);

    private async Task BrokenAsync(int port)
    {
        var broken = (await ProofAttempt.RunAsync(web, port, connectTo: null, Cancel)).ShouldBeOfType<ProofOutcome.Broken>();
        broken.Cause.Length.ShouldBeLessThan(1000);
        broken.Cause.ShouldAllBe(c => !char.IsControl(c) && !char.IsSurrogate(c));
        broken.Remedy.ShouldContain("Start without my settings");
    }
}
