using System.Net;

namespace Portal.Jobs.Clouds;

/// <summary>The configured range, in blocks of 32 addresses.</summary>
/// <param name="setting">Name of the setting, for messages.</param>
public sealed class AddressPool(IPNetwork range, string setting)
{
    public string Setting { get; } = setting;

    /// <summary>How long a block is held back after it was seen free: connections and caches of its last user must have ended.</summary>
    public static readonly TimeSpan Rest = TimeSpan.FromMinutes(2);

    private const int BlockPrefix = 27;

    /// <summary>The first block that is neither taken nor overlaps anything foreign; null if there is none.</summary>
    public string? Choose(IReadOnlySet<string> taken, IReadOnlyList<IPNetwork> foreign)
    {
        var first = ToNumber(range.BaseAddress);
        var blocks = 1L << Math.Max(0, BlockPrefix - range.PrefixLength);
        for (var i = 0L; i < blocks; i++)
        {
            var block = new IPNetwork(ToAddress(first + (uint)(i << (32 - BlockPrefix))), BlockPrefix);
            // The default route covers everything but uses no addresses.
            if (!taken.Contains(block.ToString()) && !foreign.Any(f => f.PrefixLength > 0 && (f.Contains(block.BaseAddress) || block.Contains(f.BaseAddress))))
                return block.ToString();
        }
        return null;
    }

    private static uint ToNumber(IPAddress address) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes());

    private static IPAddress ToAddress(uint number)
    {
        Span<byte> bytes = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return new(bytes);
    }
}
