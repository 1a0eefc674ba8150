using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>Section <c>Images:Fetch</c>: pip and Maven, which fetch the packages of an archive that is not available locally.</summary>
public sealed class FetchOptions
{
    /// <summary>Folder for what is being fetched, several gigabytes; empty: nothing is fetched.</summary>
    public string Folder { get; set; } = "";

    /// <summary>Uid of the unprivileged account for pip and Maven if Jobs is root; 0: that of Jobs.</summary>
    public int Account { get; set; }

    /// <summary>Home whose pip.conf, .netrc and .m2/settings.xml are used; empty: that of Jobs' account.</summary>
    public string Home { get; set; } = "";
}

/// <summary>Validates at startup and names the invalid setting.</summary>
public sealed class FetchOptionsCheck : IValidateOptions<ImagesOptions>
{
    public ValidateOptionsResult Validate(string? name, ImagesOptions options)
    {
        const string Section = $"{ImagesOptions.Section}:{nameof(ImagesOptions.Fetch)}";
        var fetch = options.Fetch;
        var wrong = new[] { (nameof(fetch.Folder), fetch.Folder), (nameof(fetch.Home), fetch.Home) }
            .Where(f => f.Item2.Length > 0 && !Path.IsPathFullyQualified(f.Item2)).Select(f => $"{Section}:{f.Item1} must be a full path.").ToList();
        if (fetch.Folder.Length > 0 && (fetch.Account < 0 || (fetch.Account == 0 && Environment.IsPrivilegedProcess)))
        {
            wrong.Add($"{Section}:{nameof(fetch.Account)} must be the uid of an unprivileged account: pip and Maven do not run as root.");
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
