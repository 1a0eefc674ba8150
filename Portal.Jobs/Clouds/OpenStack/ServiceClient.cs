using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Calls to one service of one project, with its token: a 401 renews the token once, and the call is repeated.</summary>
internal sealed class ServiceClient(ServiceKind service, Keystone keystone, OpenStackHttp http)
{
    public string Title => service.Title;

    /// <summary>The project that its token opens.</summary>
    public async Task<string> ProjectAsync(CancellationToken cancel) => (await keystone.TokenAsync(null, cancel)).ProjectId;

    /// <summary>Its address in the catalogue, without a slash at its end.</summary>
    public async Task<string> AddressAsync(CancellationToken cancel) => Keystone.AddressOf(service, await keystone.TokenAsync(null, cancel));

    /// <param name="path">Below the service's address, without a slash at its beginning.</param>
    public Task<Answer> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancel, params (string, string)[] headers) =>
        SendAsync(method, address => new Uri($"{address}/{path}"), body, cancel, headers);

    /// <param name="at">The address to call, from the service's own.</param>
    public async Task<Answer> SendAsync(
        HttpMethod method, Func<string, Uri> at, JsonNode? body, CancellationToken cancel, params (string, string)[] headers)
    {
        var token = await keystone.TokenAsync(null, cancel);
        var answer = await SendAsync(token);
        return answer.Status == 401 ? await SendAsync(await keystone.TokenAsync(token, cancel)) : answer;

        Task<Answer> SendAsync(Token with) => http.SendAsync(
            new(service.Title, method, at(Keystone.AddressOf(service, with)), body?.ToJsonString())
            {
                Headers = [("X-Auth-Token", with.Value), .. headers],
                Secrets = [with.Value],
            }, cancel);
    }

    public async Task<JsonElement> GetAsync(string path, CancellationToken cancel, params (string, string)[] headers) =>
        (await SendAsync(HttpMethod.Get, path, null, cancel, headers)).Must();
}
