using System.Globalization;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// An operator's tool that checks whether a project has all that a launch needs: token, services, roles, versions, quotas, nothing else in the project,
/// and a rule that really becomes active. Prints a line for each, and how to get what is missing.
/// </summary>
/// <param name="project">Null if no workspaces are to run in it: then what servers need is not checked.</param>
internal sealed class CloudCheck(OpenStackCloud cloud, ProjectStacks? project, OpenStackOptions options, TimeProvider clock, TextWriter say)
{
    private const string ProbeNetwork = "192.0.2.0/27"; // reserved for documentation: nobody has these addresses
    private static readonly string[] Needed = ["member", "heat_stack_owner"];
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromMinutes(2);
    private bool _missing;

    /// <summary>Whether nothing is missing.</summary>
    public async Task<bool> RunAsync(CancellationToken cancel)
    {
        Token? token = null;
        await TryAsync("token", async () =>
        {
            token = await cloud.Keystone.TokenAsync(null, cancel);
            return $"project {token.ProjectName} ({token.ProjectId}), user {token.UserName}, valid at least until {token.RenewAt:HH:mm} UTC";
        });
        if (token is null) return false;
        foreach (var role in Needed)
            Say(token.Roles.Contains(role, StringComparer.Ordinal) || token.Roles.Contains("admin", StringComparer.Ordinal), $"role {role}",
                $"ask an administrator to run: openstack role add --project {token.ProjectId} --user {token.UserId} {role}");
        foreach (var service in (ServiceKind[])[ServiceKind.Stacks, ServiceKind.Servers, ServiceKind.Networks, ServiceKind.Shares])
            await TryAsync($"catalogue: {service.Title}", () => Task.FromResult<string?>(Keystone.AddressOf(service, token)));
        await TryAsync("Manila API version", async () => (await cloud.Manila.VersionAsync(cancel)).ToString());
        await TryAsync("Nova API version", async () =>
            ForeignJson.Text(await cloud.Servers.GetAsync("", cancel), "version", "version") ?? "not reported");
        await TryAsync("Heat engine", async () =>
            "it answers, revision " + (ForeignJson.Text(await cloud.Stacks.GetAsync("build_info", cancel), "engine", "revision") ?? "unknown"));
        await TryAsync("storage", async () => (await cloud.Shares.PrepareAsync(cancel)).Summary);
        if (project is not null)
        {
            await TryAsync("servers", async () => (await project.Clusters.PrepareAsync(cancel)).Summary);
            await TryAsync("server image", async () => $"it brings {string.Join(", ", await project.Images.NamesAsync(cancel))}");
        }
        await QuotasAsync(token, cancel);
        await UsersAsync(token, cancel);
        await ForeignAsync(cancel);
        await TryAsync($"access rule for {(options.RuleAddress.Length > 0 ? options.RuleAddress : "the addresses of a workspace")}",
            async () => await ProbeAsync(cancel));
        await say.WriteLineAsync(_missing ? "Something is missing or in the way: see above." : "Everything that a launch needs is there.");
        return !_missing;
    }

    private async Task QuotasAsync(Token token, CancellationToken cancel)
    {
        const string larger = "Ask the administrators of the OpenStack cloud for a larger quota, or remove what is no longer needed.";
        await TryAsync("server quota", async () =>
        {
            var set = OpenStackFaults.Part(
                Services.Nova, await cloud.Servers.GetAsync($"os-quota-sets/{token.ProjectId}/detail", cancel), "quota_set");
            return Left(set, "in_use", ("instances", 1), ("cores", 1), ("ram", 1024));
        });
        await TryAsync("network quota", async () =>
        {
            var set = OpenStackFaults.Part(
                Services.Neutron, await cloud.Networks.GetAsync($"v2.0/quotas/{token.ProjectId}/details.json", cancel), "quota");
            return Left(set, "used", ("network", 1), ("subnet", 1), ("port", 2), ("security_group", 1));
        });
        await TryAsync("share quota", async () => Left(await cloud.Manila.QuotasAsync(cancel), "in_use", ("shares", 1), ("gigabytes", 1)));

        string Left(JsonElement set, string used, params (string Name, int Least)[] kinds) => string.Join(", ", kinds.Select(kind =>
        {
            if (!set.TryGetProperty(kind.Name, out var quota)) return $"{kind.Name} not reported";
            var limit = ForeignJson.Number(quota, "limit");
            var left = limit - ForeignJson.Number(quota, used) - ForeignJson.Number(quota, "reserved");
            return limit >= 0 && left < kind.Least
                ? throw new CloudException("the project", CloudFault.Full, $"{kind.Name}: {left} of {limit} left, a launch needs {kind.Least}", larger)
                : limit < 0 ? $"{kind.Name} unlimited" : string.Create(CultureInfo.InvariantCulture, $"{kind.Name} {left} of {limit} left");
        }));
    }

    /// <summary>Whoever else has a role in the project could remove what the portal made.</summary>
    private async Task UsersAsync(Token token, CancellationToken cancel) => await TryAsync("other users of the project", async () =>
    {
        var answer = await cloud.Identity.SendAsync(
            HttpMethod.Get, $"role_assignments?scope.project.id={token.ProjectId}&include_names=true", null, cancel);
        if (answer.Status == 403) return null;
        var others = (from role in ForeignJson.Items(answer.Must(), "role_assignments")
                      let name = ForeignJson.Text(role, "user", "name") ?? ForeignJson.Text(role, "group", "name") ?? "a group"
                      where ForeignJson.Text(role, "user", "id") != token.UserId
                      select name).Distinct(StringComparer.Ordinal).ToList();
        return others.Count == 0 ? "none" : throw new CloudException("the project", CloudFault.Refused,
            $"others have roles in it: {string.Join(", ", others.Take(5))}", "Give the portal a project of its own, or remove these roles.");
    }, unknown: "only an administrator can see them: openstack role assignment list --names --project " + token.ProjectId);

    /// <summary>The project is the portal's alone: what else is there would be counted, and might be in the way.</summary>
    private async Task ForeignAsync(CancellationToken cancel)
    {
        var prefix = $"portal-{options.Installation}-";
        await NothingElseAsync("servers", async () => Names(await cloud.Servers.GetAsync("servers", cancel), "servers", "name"));
        await NothingElseAsync("stacks", async () => Names(await cloud.Stacks.GetAsync("stacks", cancel), "stacks", "stack_name"));
        await NothingElseAsync("ports", async () => from port in ForeignJson.Items(await cloud.Networks.GetAsync("v2.0/ports", cancel), "ports")
                                                    where ForeignJson.Text(port, "device_owner") is not { } owner
                                                        || !owner.StartsWith("network:", StringComparison.Ordinal)
                                                    select ForeignJson.Text(port, "name") is { Length: > 0 } name ? name : ForeignJson.Text(port, "id") ?? "");
        await NothingElseAsync("shares", async () => from share in await cloud.Manila.SharesAsync(cancel)
                                                     where !cloud.Names.IsOurs(share)
                                                     select share.Name.Length > 0 ? share.Name : share.Id);

        async Task NothingElseAsync(string kind, Func<Task<IEnumerable<string>>> look) => await TryAsync($"other {kind} in the project", async () =>
            (await look()).Where(n => !n.StartsWith(prefix, StringComparison.Ordinal)).ToList() is { Count: > 0 } others
                ? throw new CloudException("the project", CloudFault.Refused, $"it contains {others.Count}: {string.Join(", ", others.Take(5))}",
                    "Give the portal a project of its own, or remove them.")
                : "none");

        static IEnumerable<string> Names(JsonElement json, string list, string name) =>
            ForeignJson.Items(json, list).Select(i => ForeignJson.Text(i, name) ?? "");
    }

    /// <summary>A rule of the configured kind on a small share, which is removed again in the order of every release.</summary>
    private async Task<string> ProbeAsync(CancellationToken cancel)
    {
        var manila = cloud.Manila;
        var to = options.RuleAddress.Length > 0 ? options.RuleAddress : ProbeNetwork;
        var share = await manila.CreateAsync($"portal-{options.Installation}-probe", 1, "NFS", options.ShareType, cloud.Names.Ours, cancel);
        try
        {
            await UntilAsync("the share is not available", async () => await manila.ShareAsync(share.Id, cancel) is { IsBroken: false } s ? s.IsAvailable
                : throw Failed($"the share could not be made: {await manila.CauseAsync(share.Id, DateTimeOffset.MinValue, null, cancel) ?? "no reason given"}"),
                cancel);
            var began = clock.GetTimestamp();
            await manila.AllowAsync(share.Id, to, new Dictionary<string, string>(StringComparer.Ordinal), cancel);
            await UntilAsync("the rule is not active", async () => await manila.RulesAsync(share.Id, cancel) is [var rule, ..] ? rule.State switch
            {
                "active" => true,
                "error" => throw Failed($"the rule for {to} could not be made"),
                _ => false,
            } : false, cancel);
            var took = clock.GetElapsedTime(began);
            var location = (await manila.ExportsAsync(share.Id, cancel)) is [var first, ..] ? first : throw Failed("the share has no export location");
            return string.Create(CultureInfo.InvariantCulture, $"{to} active after {took.TotalSeconds:0.0} s, export location {location}");
        }
        finally
        {
            await RemoveAsync(share.Id, CancellationToken.None);
        }
    }

    private async Task RemoveAsync(string share, CancellationToken cancel)
    {
        var manila = cloud.Manila;
        foreach (var rule in await manila.RulesAsync(share, cancel)) await manila.DenyAsync(share, rule.Id, cancel);
        await UntilAsync("the rule still exists", async () => (await manila.RulesAsync(share, cancel)).Count == 0, cancel);
        await manila.DeleteAsync(share, cancel);
        await UntilAsync("the share still exists", async () => await manila.ShareAsync(share, cancel) is null, cancel);
    }

    private async Task UntilAsync(string what, Func<Task<bool>> look, CancellationToken cancel)
    {
        for (var began = clock.GetTimestamp(); !await look(); await Task.Delay(Between, clock, cancel))
            if (clock.GetElapsedTime(began) > Patience) throw Failed($"{what} after {Patience.TotalSeconds:0} s");
    }

    private static CloudException Failed(string message) =>
        new(Services.Manila, CloudFault.Broken, message, "Ask the administrators of the OpenStack cloud.");

    /// <param name="look">What it finds; null if the portal's user may not see it, which is not a fault.</param>
    /// <param name="unknown">Who sees it, and how.</param>
    private async Task TryAsync(string what, Func<Task<string?>> look, string unknown = "")
    {
        try { await say.WriteLineAsync(await look() is { } found ? $"ok       {what}: {found}" : $"unknown  {what}: {unknown}"); }
        catch (CloudException e)
        {
            _missing = true;
            await say.WriteLineAsync($"PROBLEM  {what}: {e.Message} {e.WhatToDo}");
        }
    }

    private void Say(bool there, string what, string remedy)
    {
        _missing |= !there;
        say.WriteLine(there ? $"ok       {what}" : $"PROBLEM  {what}: {remedy}");
    }
}
