using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.AspNetCore.WebUtilities;

namespace Portal.Access;

/// <summary>
/// Binds a circuit's connection to the session that negotiated it. SignalR accepts a connection token from any signed-in person and only
/// logs that the person changed, so with a stolen token others could send to a circuit and read from it. So the token given to a browser
/// includes a code over itself and the session, and a token of another session is answered like an unknown one.
/// </summary>
internal static class OwnConnections
{
    private const string Hub = "/_blazor";

    /// <summary>Connections belong to this process and end with it, and so does the key.</summary>
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    /// <summary>Must come after authentication in the pipeline.</summary>
    public static void UseOwnConnections(this IApplicationBuilder app) => app.UseWhen(IsHub, hub => hub.Use(HandleAsync));

    private static bool IsHub(HttpContext http) => http.Request.Path.StartsWithSegments(Hub, StringComparison.OrdinalIgnoreCase);

    private static async Task HandleAsync(HttpContext http, RequestDelegate next)
    {
        // Without a session the hub serves no one.
        if (http.User.FindFirstValue(PortalClaims.Session) is not { } session) await next(http);
        else if (http.Request.Path.Equals($"{Hub}/negotiate", StringComparison.OrdinalIgnoreCase)) await NegotiateAsync(http, session, next);
        else if (http.Request.Query["id"] is not { Count: > 0 } token) await next(http);
        else if (Unbind(token.ToString(), session) is { } own)
        {
            http.Request.QueryString = new QueryBuilder(http.Request.Query.Where(q => q.Key != "id").Append(new("id", own))).ToQueryString();
            await next(http);
        }
        else
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            http.Response.ContentType = "text/plain";
            await http.Response.WriteAsync("No Connection with that ID", http.RequestAborted);
        }
    }

    private static async Task NegotiateAsync(HttpContext http, string session, RequestDelegate next)
    {
        var body = http.Response.Body;
        using var answer = new MemoryStream();
        http.Response.Body = answer;
        try
        {
            await next(http);
        }
        finally
        {
            http.Response.Body = body;
        }
        var bytes = answer.ToArray();
        if (http.Response.StatusCode == StatusCodes.Status200OK && JsonNode.Parse(bytes) is JsonObject connection)
        {
            // Clients of the oldest protocol get only an id, no token, and send that.
            var name = connection.ContainsKey("connectionToken") ? "connectionToken" : "connectionId";
            if ((string?)connection[name] is { } token) connection[name] = Bind(token, session);
            bytes = Encoding.UTF8.GetBytes(connection.ToJsonString());
            http.Response.ContentLength = bytes.Length;
        }
        await http.Response.Body.WriteAsync(bytes, http.RequestAborted);
    }

    private static string Bind(string token, string session) => $"{token}.{WebEncoders.Base64UrlEncode(Code(token, session))}";

    /// <summary>Null for a token that was not given to this session.</summary>
    private static string? Unbind(string bound, string session)
    {
        if (bound.LastIndexOf('.') is not (> 0 and var cut)) return null;
        var token = bound[..cut];
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(bound), Encoding.UTF8.GetBytes(Bind(token, session))) ? token : null;
    }

    private static byte[] Code(string token, string session) => HMACSHA256.HashData(Key, Encoding.UTF8.GetBytes($"{session} {token}"));
}
