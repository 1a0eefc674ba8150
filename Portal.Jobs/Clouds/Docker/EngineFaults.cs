using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Docker.DotNet;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>The one place where errors of the container engine are translated.</summary>
public static class EngineFaults
{
    public const string Service = "Container engine";

    /// <summary>Null if it is not an error of the container engine: our own cancellation, or a bug of ours.</summary>
    public static CloudException? From(Exception e, CancellationToken cancel) => e switch
    {
        CloudException or Foreign.ReadLimitException => null,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        OperationCanceledException or TimeoutException => Make(CloudFault.TimedOut, "no answer in time", "The engine is busy or hangs: look at its load, then try again.", e),
        DockerApiException answer => FromAnswer(answer.StatusCode, MessageOf(answer.ResponseBody), e),
        HttpRequestException { StatusCode: { } status } => FromAnswer(status, e.Message, e),
        HttpRequestException or IOException => FromSocket(e),
        JsonException => Make(CloudFault.Broken, "an answer that is not understood", "Compare the engine's version with those the portal was tried with.", e),
        _ => null,
    };

    /// <summary>The status alone is ambiguous: 403 is mostly "in use", 404 on start may be the network or the image, 500 may be a full disk.</summary>
    public static CloudException FromAnswer(HttpStatusCode status, string message, Exception? cause = null)
    {
        bool Says(string words) => message.Contains(words, StringComparison.OrdinalIgnoreCase);
        return (int)status switch
        {
            400 when Says("client version") => Make(CloudFault.Broken, message, "The engine was replaced by another version: the next call speaks its version.", cause),
            _ when Says("no space left") || Says("disk quota exceeded") => Make(CloudFault.Full, message, "Free disk space below the engine's data folder.", cause),
            _ when Says("non-overlapping IPv4") || Says("no available IPv4") => Make(CloudFault.Full, message, "Give the portal a larger address pool (Clouds:Docker:Pool).", cause),
            _ when Says("overlaps") => Make(CloudFault.AddressesTaken, message, "Another installation on this host was faster: other addresses are taken.", cause),
            404 => Make(CloudFault.Missing, message, Says("image") ? "Build the image first." : "Look again: it is gone.", cause),
            409 => Make(CloudFault.Conflict, message, "Look again, then repeat.", cause),
            403 when Says("active endpoints") || Says("in use") || Says("bridge name") || Says("already exists")
                => Make(CloudFault.Conflict, message, "Something else holds this network, address or name: look again, or take another.", cause),
            400 or 403 => Make(CloudFault.Refused, message, "The request is not one this engine grants: mend the template.", cause),
            _ when Says("address already in use") => Make(CloudFault.Conflict, message, "Something else holds this address: take another.", cause),
            _ => Make(CloudFault.Broken, message, "Read the engine's log.", cause),
        };
    }

    /// <summary>The sentence inside <c>{"message": "…"}</c>, or the body as it is.</summary>
    public static string MessageOf(string? body)
    {
        try
        {
            return JsonDocument.Parse(body ?? "").RootElement.GetProperty("message").GetString() ?? "";
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return body ?? "";
        }
    }

    public static CloudException Make(CloudFault fault, string message, string whatToDo, Exception? cause = null) => new(Service, fault, message, whatToDo, cause);

    private static CloudException FromSocket(Exception e)
    {
        var socket = e as SocketException ?? e.InnerException as SocketException ?? e.InnerException?.InnerException as SocketException;
        return socket?.SocketErrorCode switch
        {
            SocketError.AccessDenied => Make(CloudFault.Denied, "its socket may not be opened", "Run Portal.Jobs as root, or add its account to the group that owns the engine's socket.", e),
            SocketError.AddressNotAvailable => Make(CloudFault.Away, "its socket does not exist", "Start the engine, or correct Clouds:Docker:Socket.", e),
            SocketError.ConnectionRefused => Make(CloudFault.Away, "nobody listens on its socket", "Start the engine.", e),
            _ => Make(CloudFault.Away, "the connection broke", "The outcome is unknown: look again before repeating.", e),
        };
    }
}
