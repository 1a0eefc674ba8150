using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>Section <c>Clouds:LocalStorage</c>.</summary>
public sealed class LocalStorageOptions
{
    public const string Section = "Clouds:LocalStorage";

    /// <summary>Where shares are stored, on btrfs if limits are to be enforced. Empty: there is no storage, and every call says so.</summary>
    public string Folder { get; set; } = "";

    /// <summary>Where the folders of workspaces are mounted; owned by root, emptied by a reboot.</summary>
    public string Mounts { get; set; } = "";
}

/// <summary>Validates at startup and names the invalid setting.</summary>
public sealed class LocalStorageOptionsCheck : IValidateOptions<LocalStorageOptions>
{
    public ValidateOptionsResult Validate(string? name, LocalStorageOptions options)
    {
        if (options.Folder.Length == 0)
        {
            return ValidateOptionsResult.Success;
        }

        var wrong = new[] { (nameof(options.Folder), options.Folder), (nameof(options.Mounts), options.Mounts) }
            .Where(f => !Path.IsPathFullyQualified(f.Item2) || Path.GetFullPath(f.Item2) != f.Item2 || f.Item2.EndsWith('/'))
            .Select(f => $"{LocalStorageOptions.Section}:{f.Item1} must be a full path without dots or a trailing slash.").ToList();
        if (wrong.Count == 0 && (options.Mounts + "/").StartsWith(options.Folder + "/", StringComparison.Ordinal))
        {
            wrong.Add($"{LocalStorageOptions.Section}:{nameof(options.Mounts)} must not be inside {nameof(options.Folder)}.");
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
