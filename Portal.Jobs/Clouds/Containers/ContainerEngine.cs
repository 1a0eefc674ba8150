using System.Net;
using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Handler.Abstractions;
using Docker.DotNet.NativeHttp;
using Portal.Core.Clouds;
using Version = System.Version;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>
/// One pool of connections to one container engine: Docker.DotNet on top, and raw calls for what it lacks. Connects and negotiates a version
/// at the first call, and again if the container engine was replaced by another version.
/// </summary>
public sealed class ContainerEngine(EngineAddress address) : IDisposable
{
    /// <summary>Maximum size of a refusal, bytes; of a longer one only the status counts.</summary>
    private const int LongestRefusal = 1 << 20;

    // Before 1.41 one reading takes 2 s; version 29 and later refuse below 1.44. Asking for at most 1.44 leaves few variants to test.
    private static readonly Version Oldest = new(1, 41), Newest = new(1, 44);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(60);

    /// <summary>Maximum size of the buffered response to a raw call, and of every response of a server, bytes.</summary>
    private const int LongestAnswer = 4 << 20;
    private readonly SemaphoreSlim _lanes = new(4), _waits = new(64), _connecting = new(1);
    private Line? _line;

    public EngineAddress Address { get; } = address;

    /// <summary>Every call goes through here, so that every fault is translated in one place.</summary>
    public async Task<T> CallAsync<T>(Func<DockerClient, Task<T>> call, CancellationToken cancel) =>
        await TranslateAsync(async line => await call(line.Client), cancel);

    /// <inheritdoc cref="CallAsync{T}"/>
    public Task CallAsync(Func<DockerClient, Task> call, CancellationToken cancel) => CallAsync(async c => { await call(c); return true; }, cancel);

    /// <summary>A raw call over the same connections. With <paramref name="stream"/> it returns at
    /// the response head, and the caller disposes the response.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body, bool stream, CancellationToken cancel) =>
        TranslateAsync(async line =>
    {
        using var request =
            new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body, options: JsonSerializerOptions.Default) };
        var answer = await line.Raw.SendAsync(request, stream ? HttpCompletionOption.ResponseHeadersRead : HttpCompletionOption.ResponseContentRead, cancel);
        if (answer.IsSuccessStatusCode)
        {
            return answer;
        }

        using (answer)
        {
            // Already read by Answers, within its limits.
            throw ContainerEngineFaults.FromAnswer(answer.StatusCode, ContainerEngineFaults.MessageOf(await answer.Content.ReadAsStringAsync(cancel)));
        }
    }, cancel);

    /// <summary>In parallel, but with at most four heavy calls over all clusters, and up to 64 calls that only wait.</summary>
    public Task EachAsync<T>(IEnumerable<T> items, Func<T, Task> action, CancellationToken cancel, bool waitsOnly = false) =>
        Task.WhenAll(items.Select(async item =>
    {
        var lanes = waitsOnly ? _waits : _lanes;
        await lanes.WaitAsync(cancel);
        try
        {
            await action(item);
        }
        finally
        {
            lanes.Release();
        }
    }));

    /// <summary>The negotiated version, e.g. 1.41; connects if necessary.</summary>
    public Task<Version> VersionAsync(CancellationToken cancel) => TranslateAsync(line => Task.FromResult(line.Version), cancel);

    public void Dispose()
    {
        _line?.Dispose();
        _lanes.Dispose();
        _waits.Dispose();
        _connecting.Dispose();
    }

    private async Task<T> TranslateAsync<T>(Func<Line, Task<T>> call, CancellationToken cancel)
    {
        var line = await LineAsync(cancel);
        try
        {
            return await call(line);
        }
        catch (Exception e) when (ContainerEngineFaults.From(e, cancel) is { } fault)
        {
            if (fault.Message.Contains("client version", StringComparison.OrdinalIgnoreCase))
            {
                Interlocked.CompareExchange(ref _line, null, line); // others may still use it, so it is left to the garbage collector
            }

            throw ContainerEngineFaults.From(e, cancel)!;
        }
    }

    private async Task<Line> LineAsync(CancellationToken cancel)
    {
        if (Volatile.Read(ref _line) is { } line)
        {
            return line;
        }

        if (Address is EngineAddress.Socket { Path: "" })
        {
            throw ContainerEngineFaults.NoneNamed();
        }

        await _connecting.WaitAsync(cancel);
        try
        {
            return _line ??= await ConnectAsync(cancel);
        }
        catch (Exception e) when (ContainerEngineFaults.From(e, cancel) is not null)
        {
            throw ContainerEngineFaults.From(e, cancel)!;
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task<Line> ConnectAsync(CancellationToken cancel)
    {
        using var first = new Line(Address, version: null);
        var known = await first.Client.System.GetVersionAsync(cancel);
        var (newest, oldest) = (new Version(known.APIVersion), new Version(known.MinAPIVersion ?? "1.12"));
        var version = newest < Newest ? newest : Newest;
        return version >= Oldest && version >= oldest
            ? new Line(Address, version)
            : throw ContainerEngineFaults.Make(CloudFault.Refused,
                $"version {known.Version} supports API {oldest} to {newest}, the portal {Oldest} to {Newest}", "Use another version of the container engine.");
    }

    /// <summary>
    /// Reads refusals with limits of size and time; the package alone would read them to their end. From a server, which its student may have taken over,
    /// it reads every answer like that, except those that are streams. What the package calls an authentication provider is its only way to
    /// put something around the connections.
    /// </summary>
    private sealed class Answers(EngineAddress address) : DelegatingHandler, IAuthProvider
    {
        /// <summary>Ends of the paths whose answers are streams, read piece by piece.</summary>
        private static readonly string[] Streams =
            ["/events", "/logs", "/attach", "/start", "/export", "/archive", "/build", "/get", "/images/load", "/images/create"];

        public bool TlsEnabled => false;

        public HttpMessageHandler ConfigureHandler(HttpMessageHandler handler)
        {
            InnerHandler = handler;
            return this;
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var answer = await base.SendAsync(request, cancellationToken);
            var refused = answer.StatusCode >= HttpStatusCode.BadRequest;
            if (!refused && (address is EngineAddress.Socket || IsStream(request)))
            {
                return answer;
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(CallTimeout);
            try
            {
                await answer.Content.LoadIntoBufferAsync(refused ? LongestRefusal : LongestAnswer, limit.Token);
                return answer;
            }
            catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
            {
                answer.Dispose();
                throw refused
                    ? ContainerEngineFaults.FromAnswer(answer.StatusCode,
                        $"it refused with status {(int)answer.StatusCode} and more than {LongestRefusal >> 20} MiB of text", e)
                    : ContainerEngineFaults.Make(CloudFault.Broken, $"it answered with more than {LongestAnswer >> 20} MiB",
                        "Stop the workspace and start it again, which makes a new server.", e);
            }
            catch
            {
                answer.Dispose();
                throw;
            }
        }

        private static bool IsStream(HttpRequestMessage request) =>
            Streams.Any(s => request.RequestUri!.AbsolutePath.EndsWith(s, StringComparison.Ordinal));
    }

    /// <summary>One version over one pool of connections.</summary>
    private sealed class Line : IDisposable
    {
        public Line(EngineAddress address, Version? version)
        {
            var answers = new Answers(address);
            Version = version ?? new Version();
            // The package's own Unix transport opens a connection for every call. With the framework's handler connections are reused;
            // its default limit of 10 would let ten followed streams block every other call.
            Client = new DockerClientBuilder().WithEndpoint(new Uri("http://engine")).WithApiVersion(version).WithTimeout(CallTimeout)
                .WithAuthProvider(answers).WithTransportOptions(new NativeHttpTransportOptions { ConfigureHandler = Configure }).Build();
            Raw = new HttpClient(answers, disposeHandler: false)
            {
                BaseAddress = new Uri($"http://engine/v{version}/"),
                Timeout = CallTimeout,
                MaxResponseContentBufferSize = LongestAnswer,
            };

            void Configure(SocketsHttpHandler h)
            {
                h.UseProxy = false;
                h.MaxConnectionsPerServer = 256;
                h.ConnectCallback = (_, cancel) => EngineConnection.OpenAsync(address, cancel);
            }
        }

        public DockerClient Client { get; }
        public HttpClient Raw { get; }
        public Version Version { get; }

        public void Dispose()
        {
            Raw.Dispose();
            Client.Dispose();
        }
    }
}
