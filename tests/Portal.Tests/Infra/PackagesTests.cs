namespace Portal.Tests.Infra;

/// <summary>How the scripts install Debian packages.</summary>
public sealed class PackagesTests
{
    /// <summary>A machine that has just booted updates its lists by itself; without them no package is found.</summary>
    [Fact]
    public async Task Lists_WhileAnotherUpdateHoldsTheirLock_AreWaitedFor()
    {
        var (code, output) = await Script.RunAsync("common packages", """
            tries=$(mktemp)
            sleep() { true; }
            apt_get() {
              echo "$*" >> "$tries"
              [ "$(wc -l < "$tries")" -ge 3 ] || { echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 3534 (apt-get)"; return 100; }
              echo "Reading package lists..."
            }
            apt_update; wc -l < "$tries"; rm -f "$tries"
            """, []);

        (code, output).ShouldBe((0, "Reading package lists...\n3"));
    }

    /// <summary>Lists that cannot be updated may still be good enough to install from.</summary>
    [Fact]
    public async Task Lists_ThatCannotBeUpdated_AreTriedOnce()
    {
        var (code, output) = await Script.RunAsync("common packages", "apt_get() { echo 'E: Failed to fetch'; return 100; }; apt_update", []);

        (code, output).ShouldBe((0, "E: Failed to fetch"));
    }
}
