using System.Net.Sockets;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A container engine whose refusals do not end, on a Unix socket.</summary>
public sealed class ContainerEngineRefusalTests : IDisposable
{
    private const string Version = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n"
        + """{"Version":"29.0.0","ApiVersion":"1.44","MinAPIVersion":"1.24"}""";

    /// <summary>Far more than anybody should read; not endless only so that a failing test does not use up the memory.</summary>
    private const long Most = 64 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-refusal").FullName;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private string SocketPath => Path.Combine(_folder, "engine.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("raw, read to its end")]
    [InlineData("raw, followed")]
    [InlineData("package, read to its end")]
    [InlineData("package, followed")]
    public async Task Refusal_LongerThanAMebibyte_IsToldByItsStatusAndNotReadOn(string call)
    {
        await using var server = new SocketServer(new UnixDomainSocketEndPoint(SocketPath), AnswerAsync);
        using var engine = new ContainerEngine(new EngineAddress.Socket(SocketPath));
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
        server.Sent.ShouldBeLessThan(16 << 20);
    }

    private static async Task AnswerAsync(SocketServer engine, Socket connection, string request)
    {
        if (request.Contains("/version", StringComparison.Ordinal))
        {
            await engine.SendAsync(connection, Version);
            return;
        }

        await engine.SendAsync(connection, "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (engine.Sent < Most) await engine.SendChunkAsync(connection, new string('x', 1 << 16));
    }
}
