using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Time.Testing;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Tests.Clouds;

/// <summary>The portal's certificate for the container engines of servers.</summary>
public sealed class EngineKeysTests : IDisposable
{
    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("portal-test-keys");
    private readonly FakeTimeProvider _time = new(new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private string Folder => Path.Combine(_parent.FullName, "engines");
    private string Pem => Path.Combine(Folder, "client.pem");

    public void Dispose() => _parent.Delete(recursive: true);

    [Fact]
    public void Client_AtFirstUse_IsMadeForThisAccountAlone()
    {
        var keys = new EngineKeys(Folder, _time);
        Directory.Exists(Folder).ShouldBeFalse();

        var client = keys.Client;

        client.HasPrivateKey.ShouldBeTrue();
        client.GetECDsaPublicKey()!.KeySize.ShouldBe(256);
        (client.NotBefore.ToUniversalTime(), client.NotAfter.ToUniversalTime()).ShouldBe((new(2026, 2, 28, 12, 0, 0), new(2036, 3, 1, 12, 0, 0)));
        File.GetUnixFileMode(Folder).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.EnumerateFileSystemEntries(Folder).ShouldHaveSingleItem().ShouldBe(Pem);
        File.GetUnixFileMode(Pem).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public void Authority_IsPublicAndTrustsTheClientAlone()
    {
        var keys = new EngineKeys(Folder, _time);
        using var authority = X509Certificate2.CreateFromPem(keys.Authority);
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.ApplicationPolicy.Add(new("1.3.6.1.5.5.7.3.2"));
        chain.ChainPolicy.VerificationTime = _time.GetUtcNow().UtcDateTime;

        chain.Build(keys.Client).ShouldBeTrue();
        keys.Authority.ShouldNotContain("PRIVATE");
        authority.HasPrivateKey.ShouldBeFalse();
        authority.Extensions.OfType<X509BasicConstraintsExtension>().ShouldHaveSingleItem().CertificateAuthority.ShouldBeTrue();
    }

    [Fact]
    public void Client_OfAnExistingFolder_StaysTheSame() =>
        new EngineKeys(Folder, _time).Client.Thumbprint.ShouldBe(new EngineKeys(Folder, _time).Client.Thumbprint);

    [Fact]
    public async Task Client_ManyStartAtOnce_EndWithOnePair()
    {
        using var begin = new Barrier(16);
        var all = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Factory.StartNew(() =>
        {
            var keys = new EngineKeys(Folder, _time);
            begin.SignalAndWait();
            return keys.Client.Thumbprint;
        }, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        all.Distinct(StringComparer.Ordinal).ShouldHaveSingleItem();
        Directory.EnumerateFileSystemEntries(Folder).ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("readable", "other accounts can read it")]
    [InlineData("damaged", "delete the folder")]
    [InlineData("expired", "has expired. Delete the folder")]
    public void Client_OfAFileThatCannotBeUsed_NamesItAndTheWayOut(string what, string words)
    {
        _ = new EngineKeys(Folder, _time).Client;
        if (what is "readable") File.SetUnixFileMode(Pem, File.GetUnixFileMode(Pem) | UnixFileMode.GroupRead);
        if (what is "damaged") File.WriteAllText(Pem, "-----BEGIN");
        if (what is "expired") _time.Advance(TimeSpan.FromDays(3653));

        var error = Should.Throw<InvalidOperationException>(() => new EngineKeys(Folder, _time).Client);

        error.Message.ShouldContain(Pem);
        error.Message.ShouldContain(words);
    }
}
