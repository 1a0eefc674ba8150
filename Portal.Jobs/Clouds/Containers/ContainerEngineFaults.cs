using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using System.Text.RegularExpressions;
using Docker.DotNet;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>The only place where errors of the container engine are translated.</summary>
public static partial class ContainerEngineFaults
{
    public const string Service = "Container engine";

    /// <summary>Null if it is not an error of the container engine: our own cancellation, or a bug in our code.</summary>
    public static CloudException? From(Exception e, CancellationToken cancel) => e switch
    {
        CloudException or Foreign.ReadLimitException => null,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        OperationCanceledException or TimeoutException =>
            Make(CloudFault.TimedOut, "it did not respond in time", "The container engine is busy or not responding: check its load, then try again.", e),
        HttpRequestException { InnerException: CloudException connecting } => connecting,
        DockerApiException answer => FromAnswer(answer.StatusCode, MessageOf(answer.ResponseBody), e),
        HttpRequestException { StatusCode: { } status } => FromAnswer(status, e.Message, e),
        HttpRequestException or IOException => OfCertificate(e) ?? FromSocket(e),
        JsonException =>
            Make(CloudFault.Broken, "its response could not be understood",
                "Compare the version of the container engine with the versions the portal was tested with.", e),
        _ => null,
    };

    /// <summary>The status alone is ambiguous: 403 is mostly "in use", 404 on start may be the network or the image, 500 may be a full disk.</summary>
    public static CloudException FromAnswer(HttpStatusCode status, string message, Exception? cause = null)
    {
        bool Mentions(string text) => message.Contains(text, StringComparison.OrdinalIgnoreCase);
        return (int)status switch
        {
            400 when Mentions("client version") =>
                Make(CloudFault.Broken, message, "The container engine was replaced by another version: the next call will use that one.", cause),
            _ when Mentions("no space left") || Mentions("disk quota exceeded") =>
                Make(CloudFault.Full, message, "Free up disk space in the container engine's data folder.", cause),
            _ when Mentions("non-overlapping IPv4") || Mentions("no available IPv4") =>
                Make(CloudFault.Full, message, "Give the portal a larger address pool (Clouds:Docker:Pool).", cause),
            _ when Mentions("overlaps") =>
                Make(CloudFault.AddressesTaken, message, "Another installation on this host took these addresses first: the portal will use others.", cause),
            404 => Make(CloudFault.Missing, message, Mentions("image") ? "Build the image first." : "Check again: it no longer exists.", cause),
            409 => Make(CloudFault.Conflict, message, "Check again, then retry.", cause),
            403 when Mentions("active endpoints") || Mentions("in use") || Mentions("bridge name") || Mentions("already exists")
                => Make(CloudFault.Conflict, message, "Something else is using this network, address or name: check again, or use another one.", cause),
            400 or 403 => Make(CloudFault.Refused, message, "The container engine does not allow this request: fix the template.", cause),
            _ when Mentions("address already in use") => Make(CloudFault.Conflict, message, "Something else is using this address: use another one.", cause),
            _ => Make(CloudFault.Broken, message, "Read the log of the container engine.", cause),
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

    public static CloudException Make(CloudFault fault, string message, string whatToDo, Exception? cause = null) =>
        new(Service, fault, message, whatToDo, cause);

    /// <summary>No container engine is named in the settings.</summary>
    public static CloudException NoneNamed() => Make(CloudFault.Unavailable, "there is no container engine on this machine",
        "Install Debian's docker.io and start the portal as root, or set Clouds:Docker:Socket to the socket of a container engine.");

    /// <summary>Something with another certificate answers at a server's address.</summary>
    internal static CloudException AnotherServer(EngineAddress.Tls server, Exception cause) =>
        Make(CloudFault.Denied, $"the server at {server.At} is not the one that the portal started",
            "Nothing was sent to it. Find out what uses this address; then stop the workspace and start it again, which makes a new server.", cause);

    /// <summary>Nothing came from a server's address in time.</summary>
    internal static CloudException Silent(EngineAddress.Tls server, Exception cause) =>
        Make(CloudFault.Unavailable, $"the server at {server.At} does not answer",
            "Check that the server runs, and that its firewall and the network let the portal reach this port.", cause);

    /// <summary>A failure before the first request to a server; null if it is no error of the connection.</summary>
    internal static CloudException? OfConnecting(Exception e, EngineAddress.Tls server) => e switch
    {
        _ when OfCertificate(e) is { } refused => refused,
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } =>
            Make(CloudFault.Unavailable, $"nothing is listening at {server.At}", "Check that the server has booted and runs its container engine.", e),
        SocketException => Silent(server, e),
        AuthenticationException =>
            Make(CloudFault.Denied, $"what answers at {server.At} does not speak TLS as the portal's servers do",
                "Nothing was sent to it. Find out what uses this address and port.", e),
        IOException =>
            Make(CloudFault.Unavailable, $"the server at {server.At} closed the connection", "Check that its container engine runs, then try again.", e),
        _ => null,
    };

    /// <summary>Whether the other end refused the portal's certificate. With TLS 1.3 this arrives only instead of the first answer.</summary>
    private static CloudException? OfCertificate(Exception e)
    {
        for (var inner = e; inner is not null; inner = inner.InnerException)
        {
            if (RefusedCertificate().IsMatch(inner.Message))
            {
                return Make(CloudFault.Denied, "it does not accept the portal's certificate",
                    "The portal's keys were replaced after this server was made: stop the workspace and start it again, which makes a new server.", e);
            }
        }

        return null;
    }

    /// <summary>OpenSSL's words for the alerts with which servers refuse a certificate.</summary>
    [GeneratedRegex(@"\balert (?:[a-z ]*certificate\b|unknown ca\b|access denied\b)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RefusedCertificate();

    private static CloudException FromSocket(Exception e)
    {
        var socket = e as SocketException ?? e.InnerException as SocketException ?? e.InnerException?.InnerException as SocketException;
        return socket?.SocketErrorCode switch
        {
            SocketError.AccessDenied =>
                Make(CloudFault.Denied, "its socket could not be opened: permission denied",
                    "Run Portal.Jobs as root, or add its account to the group that owns the container engine's socket.", e),
            SocketError.AddressNotAvailable =>
                Make(CloudFault.Unavailable, "its socket does not exist", "Start the container engine, or correct Clouds:Docker:Socket.", e),
            SocketError.ConnectionRefused => Make(CloudFault.Unavailable, "nothing is listening on its socket", "Start the container engine.", e),
            _ => Make(CloudFault.Unavailable, "the connection was lost", "The outcome is unknown: check before retrying.", e),
        };
    }
}
