using Microsoft.Extensions.Options;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// What an operator calls by hand: <c>--check-cloud KEY</c>, <c>--left-in-cloud KEY</c> and <c>--force-delete-share KEY ID</c>, where KEY names a
/// credential.
/// </summary>
public static class OpenStackVerbs
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromMinutes(2);

    /// <summary>Whether these are arguments of such a verb.</summary>
    public static bool Has(IReadOnlyList<string> args) => args is ["--check-cloud" or "--left-in-cloud" or "--force-delete-share", ..];

    /// <returns>The exit code: 0, 1 if something is missing or failed, 2 for wrong arguments.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, IServiceProvider services, TextWriter say, CancellationToken cancel)
    {
        try
        {
            var (options, clock) = (services.GetRequiredService<OpenStackOptions>(), services.GetRequiredService<TimeProvider>());
            var clouds = services.GetRequiredService<OpenStackClouds>();
            switch (args)
            {
                case ["--check-cloud", var key]:
                    var project = options.Pools.Any(p => p.CredentialKey == key) ? services.GetRequiredService<ProjectStacksByKey>().Of(key) : null;
                    return await new CloudCheck(clouds.Of(key), project, options, clock, say).RunAsync(cancel) ? 0 : 1;
                case ["--left-in-cloud", var key]:
                    await SayWhatIsLeftAsync(clouds.Of(key), new(options.Installation), say, cancel);
                    return 0;
                case ["--force-delete-share", var key, var id]:
                    await DeleteAsync(clouds.Of(key), id, clock, cancel);
                    await say.WriteLineAsync($"The share {id} is deleted.");
                    return 0;
                default:
                    await say.WriteLineAsync(
                        "Usage: Portal.Jobs --check-cloud <credential>\n       Portal.Jobs --left-in-cloud <credential>\n"
                        + "       Portal.Jobs --force-delete-share <administrator's credential> <share id>");
                    return 2;
            }
        }
        catch (CloudException e)
        {
            await say.WriteLineAsync($"FAILED  {e.Message} {e.WhatToDo}");
        }
        catch (OptionsValidationException e)
        {
            await say.WriteLineAsync($"FAILED  {string.Join(' ', e.Failures)}");
        }
        return 1;
    }

    /// <summary>
    /// The stacks and shares of this installation, as commands that delete them in the right order: a share goes once no server has it mounted.
    /// Nothing if there is none.
    /// </summary>
    private static async Task SayWhatIsLeftAsync(OpenStackCloud cloud, HeatNames names, TextWriter say, CancellationToken cancel)
    {
        foreach (var stack in (await new Heat(cloud.Stacks).StacksAsync(names.Ours, cancel)).OrderBy(s => s.Name, StringComparer.Ordinal))
            await say.WriteLineAsync($"openstack stack delete --yes --wait {stack.Id}   # {stack.Name}");
        foreach (var share in (await cloud.Manila.SharesWithAsync(cloud.Names.Ours, cancel)).OrderBy(s => s.Name, StringComparer.Ordinal))
            await say.WriteLineAsync($"openstack share delete {share.Id}   # with the files in it: {share.Name}, {share.SizeGib} GiB");
    }

    /// <summary>
    /// Deletes a share of this installation, with its files, in whatever state it is. Not while it has rules: storage that loses a rule and the share
    /// at the same time is left with neither in order.
    /// </summary>
    private static async Task DeleteAsync(OpenStackCloud cloud, string id, TimeProvider clock, CancellationToken cancel)
    {
        if (!Guid.TryParse(id, out _)) throw Refused($"\"{id}\" is not the id of a share", "Give the id that Manila shows.");
        var share = await cloud.Manila.ShareAsync(id, cancel) ?? throw Refused($"there is no share {id}", "Check the id, and that the credential can see it.");
        if (!cloud.Names.IsOurs(share)) throw Refused($"the share {id} does not belong to this installation", "Delete it with OpenStack's own tools.");
        var rules = await cloud.Manila.RulesAsync(id, cancel);
        if (rules.Any(r => r.State != "error"))
            throw Refused($"the share {id} still has access rules", "Stop the workspaces that use it, and try again once the rules are gone.");
        // Either it could not be made, or it could not be removed.
        if (rules is [var failed, ..])
            throw Refused($"the share {id} has an access rule in error, for {failed.To}, which may still have it mounted",
                $"Remove the rule and try again: openstack share access delete {id} {failed.Id}. If it stays in error, ask the administrators of the "
                + "OpenStack cloud to check on the storage itself that nothing has the share mounted, and to delete both.");
        await cloud.Manila.ForceDeleteAsync(id, cancel);
        for (var began = clock.GetTimestamp(); await cloud.Manila.ShareAsync(id, cancel) is { } left; await Task.Delay(Between, clock, cancel))
            if (clock.GetElapsedTime(began) > Patience) throw Refused($"the share {id} is still \"{left.Status}\"", "Look at it again later.");
    }

    private static CloudException Refused(string message, string whatToDo) => new(Services.Manila, CloudFault.Refused, message, whatToDo);
}
