using System.Text.RegularExpressions;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Why a stack failed, for a person.</summary>
/// <param name="Service">The service that failed.</param>
internal sealed record StackFault(string Service, CloudFault Fault, string Cause, string Remedy);

/// <summary>What happens in a stack, in plain words: pure.</summary>
internal static partial class StackWords
{
    private const string AskAdministrator = "Ask the administrators of the OpenStack cloud.";
    private const int MostNames = 4;

    /// <summary>What an event says; null for what means nothing to a person.</summary>
    public static string? Of(HeatEvent happened)
    {
        var (kind, node) = StackParts.Of(happened.Resource);
        return (kind, happened.Status) switch
        {
            (StackParts.Network, "CREATE_IN_PROGRESS") => "The network is being created.",
            (StackParts.Network, "DELETE_IN_PROGRESS") => "The network is being removed.",
            (StackParts.Server, "CREATE_IN_PROGRESS") => $"The server {node} is being started.",
            (StackParts.Server, "CREATE_COMPLETE") => $"The server {node} has started.",
            (StackParts.Server, "DELETE_IN_PROGRESS") => $"The server {node} is being removed.",
            (StackParts.Server, "DELETE_COMPLETE") => $"The server {node} is gone.",
            (StackParts.Ready, "CREATE_COMPLETE") => $"The server {node} has mounted its folders and is ready.",
            (not (StackParts.First or StackParts.Last), "CREATE_FAILED" or "UPDATE_FAILED" or "DELETE_FAILED") when IsPart(kind) =>
                Cause(new(happened.Resource, "", happened.Status, happened.Reason, "")).Cause,
            _ => null,
        };
    }

    /// <summary>What is being done with a stack: what is behind most, and how many servers have answered; null for nothing that means anything.</summary>
    /// <param name="states">The newest status of each resource.</param>
    public static string? Progress(IReadOnlyDictionary<string, string> states)
    {
        if (Nodes(states, StackParts.Server, "DELETE_IN_PROGRESS") is { Count: > 0 } leaving) return Servers(leaving, "being removed");
        if (Nodes(states, StackParts.Server, "CREATE_IN_PROGRESS") is { Count: > 0 } starting)
            return Servers(starting, "being started") + Answered(states);
        if (Nodes(states, StackParts.Ready, "CREATE_IN_PROGRESS") is { Count: > 0 } booting)
            return Servers(booting, "booting and mounting folders") + Answered(states);
        if (Nodes(states, StackParts.Port, "CREATE_IN_PROGRESS").Count > 0) return "Addresses are being reserved.";
        string[] network = [StackParts.Network, StackParts.Subnet, StackParts.Rules, StackParts.Gateway];
        if (network.Any(n => states.GetValueOrDefault(n) == "DELETE_IN_PROGRESS")) return "The network is being removed.";
        if (network.Any(n => states.GetValueOrDefault(n) == "CREATE_IN_PROGRESS")) return "The network is being created.";
        return null;
    }

    /// <summary>Why a stack failed: of its failed resources, the one that was not merely given up because of another.</summary>
    /// <param name="reason">The stack's own, if no resource says more.</param>
    public static StackFault Cause(IEnumerable<HeatResource> resources, string reason)
    {
        var failed = resources.Where(r => r.IsFailed).OrderBy(r => IsGivenUp(r.Reason)).ThenBy(r => Rank(StackParts.Of(r.Name).Kind))
            .ThenBy(r => r.Name, StringComparer.Ordinal).FirstOrDefault();
        if (failed is not null) return Cause(failed);
        return reason.Contains("timed out", StringComparison.OrdinalIgnoreCase)
            ? new(Services.Heat, CloudFault.TimedOut, "The cloud did not finish in time.",
                "Try again; if it happens again, ask the administrators of the OpenStack cloud.")
            : new(Services.Heat, CloudFault.Broken, $"The cloud reported a failure: {Plain(reason)}", AskAdministrator);
    }

    /// <summary>Names resource and reason, for an operator.</summary>
    public static string Left(IEnumerable<HeatResource> resources) => string.Join("; ", resources
        .Where(r => r.PhysicalId.Length > 0 && !r.Type.StartsWith("OS::Heat::", StringComparison.Ordinal) // those are only in Heat
            && !r.Status.EndsWith("DELETE_COMPLETE", StringComparison.Ordinal))
        .OrderBy(r => !r.IsFailed).ThenBy(r => r.Name, StringComparer.Ordinal)
        .Select(r => $"{r.Name} ({r.Type}, {r.PhysicalId}{(r.IsFailed ? $": {Plain(r.Reason)}" : "")})"));

    private static StackFault Cause(HeatResource failed)
    {
        var (kind, node) = StackParts.Of(failed.Name);
        var said = Plain(failed.Reason);
        // What a server says of itself may contain any words: a disk's quota is not the project's.
        if (kind is StackParts.Ready) return Signalled(node, said, failed.Reason);
        if (said.Contains("No valid host", StringComparison.OrdinalIgnoreCase))
            return new(Services.Nova, CloudFault.Full, $"no host in the cloud has room for the server {node}",
                "Wait until other workspaces have ended, or choose a smaller node.");
        if (said.Contains("quota", StringComparison.OrdinalIgnoreCase))
            return new(kind is StackParts.Server ? Services.Nova : Services.Neutron, CloudFault.Full, $"the project's quota is used up: {said}",
                "Remove what is no longer needed in the project, or ask the administrators of the OpenStack cloud for a larger quota.");
        return kind switch
        {
            StackParts.Server => new(Services.Nova, CloudFault.Broken, $"The server {node} could not be {Done(failed)}: {said}", AskAdministrator),
            StackParts.Port => new(Services.Neutron, CloudFault.Broken,
                $"The address of the server {node} could not be {Done(failed, removed: "released", made: "reserved")}: {said}", AskAdministrator),
            StackParts.Network or StackParts.Subnet or StackParts.Rules or StackParts.Gateway =>
                new(Services.Neutron, CloudFault.Broken, $"The network could not be {Done(failed)}: {said}", AskAdministrator),
            _ => new(Services.Heat, CloudFault.Broken, $"{failed.Name} could not be {Done(failed)}: {said}", AskAdministrator),
        };
    }

    /// <summary>What a server's first script said, or that it said nothing.</summary>
    private static StackFault Signalled(string node, string said, string reason)
    {
        if (reason.StartsWith("WaitConditionTimeout", StringComparison.Ordinal))
            return new(Services.Nova, CloudFault.TimedOut, $"The server {node} was started, but did not answer in time.",
                "Look at its console in the cloud: it must reach Heat and the storage. If it just needs more time, raise Clouds:OpenStack:Servers:BootLimit.");
        return Is(UserData.ShareFailed) is { } share
            ? new(Services.Manila, CloudFault.Broken, $"The server {node} could not mount its folder: {share}",
                "Check that the storage's access rule names the addresses from which it sees servers (Clouds:OpenStack:RuleAddress), then try again.")
            : Is(UserData.FolderFailed) is { } folder
            ? new(Services.Manila, CloudFault.Broken, $"The server {node} could not prepare the person's folder: {folder}",
                "Ask the administrators of the storage: everybody must be able to create a folder in the root of a new share.")
            : Is(UserData.ImageFailed) is { } image
            ? new(Services.Glance, CloudFault.Refused, $"The server image does not match the portal: {image}",
                "Upload the server image of this version of the portal.")
            : Is(UserData.ProgramFailed) is { } program
            ? new(Services.Nova, CloudFault.Broken, $"The portal's program on the server {node} failed: {program}",
                "Look at the server's console in the cloud.")
            : new(Services.Nova, CloudFault.Broken, $"The server {node} reported a failure: {said}", "Look at the server's console in the cloud.");

        string? Is(string prefix) => said.StartsWith(prefix, StringComparison.Ordinal) ? said[prefix.Length..] : null;
    }

    /// <summary>A reason without the exception's name and the path of the resource.</summary>
    private static string Plain(string reason) => reason.Length == 0 ? "no reason given" : Where().Replace(reason, "");

    private static bool IsGivenUp(string reason) => reason.Contains("aborted", StringComparison.OrdinalIgnoreCase)
        || reason.Contains("cancel", StringComparison.OrdinalIgnoreCase) || reason.Contains("superseded", StringComparison.OrdinalIgnoreCase);

    private static int Rank(string kind) => kind switch
    {
        StackParts.Server => 0,
        StackParts.Ready => 1,
        StackParts.Port => 2,
        _ => 3,
    };

    private static bool IsPart(string kind) => kind is StackParts.Network or StackParts.Subnet or StackParts.Rules or StackParts.Gateway
        or StackParts.Port or StackParts.Server or StackParts.Ready or StackParts.Handle;

    private static string Done(HeatResource failed, string removed = "removed", string made = "created") => failed.Status.Split('_')[0] switch
    {
        "DELETE" => removed,
        "UPDATE" => "changed",
        "CHECK" => "confirmed",
        _ => made,
    };

    private static List<string> Nodes(IReadOnlyDictionary<string, string> states, string kind, string status) =>
        [.. states.Where(s => s.Value == status).Select(s => StackParts.Of(s.Key)).Where(p => p.Kind == kind).Select(p => p.Node)
            .Order(StringComparer.Ordinal)];

    private static string Servers(List<string> nodes, string what) => nodes.Count == 1
        ? $"The server {nodes[0]} is {what}."
        : $"{nodes.Count} servers are {what}: {string.Join(", ", nodes.Take(MostNames))}{(nodes.Count > MostNames ? " and others" : "")}.";

    private static string Answered(IReadOnlyDictionary<string, string> states)
    {
        var ready = Nodes(states, StackParts.Ready, "CREATE_COMPLETE").Count;
        return ready == 0 ? "" : $" {ready} of {states.Count(s => s.Value != "DELETE_COMPLETE" && StackParts.Of(s.Key).Kind == StackParts.Server)} are ready.";
    }

    [GeneratedRegex(@"^[A-Z]\w*: (?:resources\.[^:\s]+(?:\.resources\.[^:\s]+)*: )?", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Where();
}
