namespace Portal.Jobs.Background;

public static class JobsSocket
{
    /// <summary>
    /// Serves on the Unix socket <c>Jobs:Socket</c>, which its group may open. The folder must belong to the web account's group and have the
    /// setgid bit, so that the socket gets that group too. Without a socket it serves on a random loopback port, which is not published.
    /// </summary>
    public static void ListenOnSocket(this IWebHostBuilder web, IConfiguration configuration)
    {
        if (configuration["Jobs:Socket"] is not { Length: > 0 } socket)
        {
            web.UseUrls("http://127.0.0.1:0");
            return;
        }
        File.Delete(socket); // left by a killed process
        web.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket));
        web.ConfigureServices(services => services.AddHostedService(p => new OpenToGroup(socket, p.GetRequiredService<IHostApplicationLifetime>())));
    }

    private sealed class OpenToGroup(string socket, IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            lifetime.ApplicationStarted.Register(() =>
                File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite));
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
