using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Portal.Core.Workspaces;

/// <summary>Names that people choose, and slugs for host names.</summary>
public static partial class WorkspaceName
{
    public const int Longest = 40;

    /// <summary>One to forty letters, digits, spaces, dots, hyphens or underscores of any script; begins and ends with a letter or digit.</summary>
    public static bool IsValid(string? name) => name is not null && name.Length <= Longest && Form().IsMatch(name);

    /// <summary>A letter and nine letters or digits, random, because addresses must not be guessable from names.</summary>
    public static string NewSlug() =>
        RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz", 1) + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", 9);

    [GeneratedRegex(@"^[\p{L}\p{Nd}]([\p{L}\p{M}\p{Nd} ._-]*[\p{L}\p{M}\p{Nd}])?\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Form();
}
