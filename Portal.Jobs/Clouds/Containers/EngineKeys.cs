using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>
/// The certificate with which the portal opens the container engines of servers. It is its own authority, so servers trust exactly this one. Made at first use
/// and valid for ten years; to replace it, delete the folder: servers made before then refuse the portal.
/// </summary>
/// <param name="folder">Full path; created if missing, open to this account alone.</param>
public sealed partial class EngineKeys(string folder, TimeProvider time)
{
    private const UnixFileMode Others = (UnixFileMode)0x3F; // 0077
    private const UnixFileMode OwnFile = UnixFileMode.UserRead | UnixFileMode.UserWrite, OwnFolder = OwnFile | UnixFileMode.UserExecute;
    private const int Exists = 17; // EEXIST
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private readonly Lock _one = new();
    private X509Certificate2? _client;

    /// <summary>The certificate with its key. Throws <see cref="InvalidOperationException"/>, for the operator, if the file is not usable.</summary>
    public X509Certificate2 Client
    {
        get
        {
            lock (_one) return _client ??= Load();
        }
    }

    /// <summary>What servers must trust, PEM; public.</summary>
    public string Authority => Client.ExportCertificatePem() + "\n";

    private string File => Path.Combine(folder, "client.pem");

    private X509Certificate2 Load()
    {
        try
        {
            if (!System.IO.File.Exists(File)) Make();
            if ((System.IO.File.GetUnixFileMode(File) & Others) != UnixFileMode.None)
                throw Unusable("other accounts can read it, so the key is not secret any more. Delete the folder: the portal makes a new one.");
            var client = X509Certificate2.CreateFromPemFile(File);
            if (client.NotAfter.ToUniversalTime() > time.GetUtcNow().UtcDateTime) return client;
            client.Dispose();
            throw Unusable("the certificate has expired. Delete the folder: the portal makes a new one, and servers made before then must be made again.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Unusable($"{e.Message.TrimEnd('.')}. Let this account write to the folder; if the file is damaged, delete the folder.", e);
        }
    }

    /// <summary>The file gets its name only once it is complete; whoever comes second uses the first one's.</summary>
    private void Make()
    {
        Directory.CreateDirectory(folder, OwnFolder);
        var fresh = Path.Combine(folder, $".{Path.GetRandomFileName()}");
        try
        {
            using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnFile }))
            {
                file.Write(System.Text.Encoding.ASCII.GetBytes(Pem()));
                file.Flush(flushToDisk: true);
            }

            // Neither of .NET's ways to move a file fails reliably if another process is making one of that name.
            if (Link(fresh, File) != 0 && Marshal.GetLastPInvokeError() is not Exists)
                throw new IOException($"{File} cannot be made: {Marshal.GetLastPInvokeErrorMessage()}");
        }
        finally
        {
            System.IO.File.Delete(fresh);
        }
    }

    private string Pem()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=portal", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ClientAuthentication)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = time.GetUtcNow();
        // A server's clock may be behind.
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddYears(10));
        return $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n";
    }

    private InvalidOperationException Unusable(string why, Exception? cause = null) =>
        new($"The portal's certificate for the container engines of servers ({File}) cannot be used: {why}", cause);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);
}
