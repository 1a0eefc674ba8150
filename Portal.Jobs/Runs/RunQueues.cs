using System.Text;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Runs;

/// <summary>
/// Hangfire's queues for runs: each pool has its own, with workers of its own, so that runs whose calls hang in one pool take no worker from another.
/// </summary>
public sealed class RunQueues(CloudKits kits)
{
    /// <summary>For runs of pools that this process does not know: the workers of every pool take them too, find that out and say so.</summary>
    public const string OfUnknownPools = "runs";

    /// <param name="pool">Key of the pool in which the run is.</param>
    public string Of(string pool) => kits.All.Any(k => k.Key == pool) ? NameOf(pool) : OfUnknownPools;

    /// <summary>
    /// A name for any key, and another one for another key: queues allow only lowercase letters, digits, dashes and underscores, so all other bytes are
    /// written as an underscore and two digits, and so is the underscore.
    /// </summary>
    public static string NameOf(string pool)
    {
        var name = new StringBuilder($"{OfUnknownPools}-");
        foreach (var one in Encoding.UTF8.GetBytes(pool))
        {
            if (one is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9') or (byte)'-') name.Append((char)one);
            else name.Append('_').Append(Convert.ToHexStringLower([one]));
        }
        return name.ToString();
    }
}
