using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A container engine whose refusals do not end, on a Unix socket.</summary>
public sealed class ContainerEngineRefusalTests : IAsyncLifetime
{
    /// <summary>Far more than anybody should read; not endless only so that a failing test does not use up the memory.</summary>
    private const long Most = 64 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-refusal").FullName;
    private WebApplication? _fake;
    private long _sent;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private string Socket => Path.Combine(_folder, "engine.sock");

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(Socket));
        builder.Logging.ClearProviders();
        _fake = builder.Build();
        _fake.MapGet("/version", () => Results.Text("""{"Version":"29.0","ApiVersion":"1.44","MinAPIVersion":"1.24"}""", "application/json"));
        _fake.MapFallback(RefuseAsync);
        await _fake.StartAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await _fake!.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("raw, read to its end")]
    [InlineData("raw, followed")]
    [InlineData("package, read to its end")]
    [InlineData("package, followed")]
    public async Task Refusal_LongerThanAMebibyte_IsToldByItsStatusAndNotReadOn(string call)
    {
        using var engine = new ContainerEngine(Socket);
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
        Interlocked.Read(ref _sent).ShouldBeLessThan(16 << 20);
    }

    private async Task RefuseAsync(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status500InternalServerError;
        var part = new byte[64 << 10];
        part.AsSpan().Fill((byte)'x');
        try
        {
            while (Interlocked.Read(ref _sent) < Most)
            {
                await http.Response.Body.WriteAsync(part, http.RequestAborted);
                Interlocked.Add(ref _sent, part.Length);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // nobody reads on
        }
    }
}
