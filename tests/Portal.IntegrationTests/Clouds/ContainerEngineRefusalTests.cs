using System.Net.Sockets;
using System.Text;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A container engine whose refusals do not end, on a Unix socket.</summary>
public sealed class ContainerEngineRefusalTests : IAsyncLifetime
{
    private const string Version = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n"
        + """{"Version":"29.0.0","ApiVersion":"1.44","MinAPIVersion":"1.24"}""";

    /// <summary>Far more than anybody should read; not endless only so that a failing test does not use up the memory.</summary>
    private const long Most = 64 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-refusal").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _over = new();
    private Task _serving = Task.CompletedTask;
    private long _sent;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private string SocketPath => Path.Combine(_folder, "engine.sock");

    public ValueTask InitializeAsync()
    {
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen();
        _serving = ServeAsync();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _serving;
        _listener.Dispose();
        _over.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("raw, read to its end")]
    [InlineData("raw, followed")]
    [InlineData("package, read to its end")]
    [InlineData("package, followed")]
    public async Task Refusal_LongerThanAMebibyte_IsToldByItsStatusAndNotReadOn(string call)
    {
        using var engine = new ContainerEngine(SocketPath);
        Func<Task> ask = call switch
        {
            "raw, read to its end" => () => engine.SendAsync(HttpMethod.Post, "networks/create", null, stream: false, Cancel),
            "raw, followed" => () => engine.SendAsync(HttpMethod.Get, "events", null, stream: true, Cancel),
            "package, read to its end" => () => engine.CallAsync(c => c.Images.InspectImageAsync("base", Cancel), Cancel),
            _ => () => engine.CallAsync(c => c.Containers.ExportContainerAsync("notebook", Cancel), Cancel),
        };

        var fault = await Should.ThrowAsync<CloudException>(() => ask().WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, Cancel));

        fault.Message.ShouldBe("Container engine: it refused with status 500 and more than 1 MiB of text.");
        fault.Fault.ShouldBe(CloudFault.Broken);
        fault.WhatToDo.ShouldBe("Read the log of the container engine.");
        _sent.ShouldBeLessThan(16 << 20);
    }

    /// <summary>Over bare sockets: a web server would count as sent what it writes to a connection that is gone.</summary>
    private async Task ServeAsync()
    {
        var answers = new List<Task>();
        try
        {
            while (true) answers.Add(AnswerAsync(await _listener.AcceptAsync(_over.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(answers);
        }
    }

    private async Task AnswerAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                for (string request; (request = await RequestAsync(connection)).Length > 0;)
                {
                    if (request.Split('\r')[0].Contains("/version", StringComparison.Ordinal)) await SendAsync(connection, Version);
                    else await RefuseAsync(connection);
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // the client has closed the connection, or the test is over
            }
        }
    }

    /// <summary>One request without a long body, as these calls send; empty at the end of the connection.</summary>
    private async Task<string> RequestAsync(Socket connection)
    {
        var (request, part) = ("", new byte[4096]);
        while (!request.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await connection.ReceiveAsync(part, _over.Token);
            if (read == 0) return "";
            request += Encoding.ASCII.GetString(part, 0, read);
        }
        return request;
    }

    private async Task RefuseAsync(Socket connection)
    {
        await SendAsync(connection, "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n");
        var part = $"10000\r\n{new string('x', 0x10000)}\r\n";
        while (_sent < Most) _sent += await SendAsync(connection, part);
    }

    private async Task<int> SendAsync(Socket connection, string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        for (var sent = 0; sent < bytes.Length;) sent += await connection.SendAsync(bytes.AsMemory(sent), _over.Token);
        return bytes.Length;
    }
}
