using System.Runtime.InteropServices;
using System.Text.Json;

namespace Portal.Jobs.Proofs;

/// <summary>
/// An operator's tool that checks a running installation the way a student uses it, without a browser. Waits for the images, signs in, launches,
/// computes in a kernel, deletes; prints one line per stage with its duration. Needs only the public address.
/// </summary>
public sealed class Smoke(PortalVisit portal, TimeProvider clock, TextWriter say)
{
    /// <summary>Code cells of the examples that came with the template's version, by file name.</summary>
    private const string TellExamples = """
        import glob, json, os
        print(json.dumps({
            os.path.basename(f): ["".join(c["source"]) for c in json.load(open(f))["cells"] if c["cell_type"] == "code"]
            for f in glob.glob("/opt/examples/*.ipynb")}))
        """;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250), ForImages = TimeSpan.FromMinutes(45),
        ForLaunch = TimeSpan.FromMinutes(10), ForKernel = TimeSpan.FromMinutes(1), ForDelete = TimeSpan.FromMinutes(5), ForExample = TimeSpan.FromMinutes(15);
    private long _stage;

    /// <summary><c>--smoke url [template…]</c>. Returns 0 on success; otherwise the last line says what failed.</summary>
    public static async Task<int> RunAsync(string[] args, IConfiguration configuration, TimeProvider clock, TextWriter say, CancellationToken cancel)
    {
        if (args is not ["--smoke", var url, .. var templates])
        {
            await say.WriteLineAsync("Usage: Portal.Jobs --smoke <address of the portal> [template…]");
            return 2;
        }
        // An interrupted check still deletes what it launched.
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = true;
            until.Cancel();
        }
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            using var site = new PublicSite(url, null, configuration["Site:ConnectTo"]);
            await new Smoke(new(site, new(clock)), clock, say).RunAsync(templates, until.Token);
            return 0;
        }
        catch (Exception e)
            when (e is SmokeException
                or HttpRequestException
                or IOException
                or JsonException
                or InvalidOperationException
                or KernelException
                or System.Net.WebSockets.WebSocketException
                or OperationCanceledException)
        {
            await say.WriteLineAsync($"FAILED  {e.Message}");
            return 1;
        }
    }

    /// <param name="templates">None: all that can be launched.</param>
    public async Task RunAsync(string[] templates, CancellationToken cancel)
    {
        Begin();
        var person = await portal.SignInAsync(cancel);
        Done($"signed in as {person}");
        var me = await portal.GetAsync("/me", cancel);
        if (me.GetProperty("classes") is not { ValueKind: JsonValueKind.Array } classes || classes.GetArrayLength() == 0)
            throw new SmokeException($"{person} belongs to no class.");
        var @class = classes[0].GetProperty("id").GetGuid();
        foreach (var template in await WaitForTemplatesAsync(templates, cancel)) await ProveAsync(template, @class, cancel);
        await portal.SignOutAsync(cancel);
        await say.WriteLineAsync("All checks passed.");
    }

    /// <summary>Waits while images are being built and says for what; returns the templates to check.</summary>
    private async Task<IReadOnlyList<string>> WaitForTemplatesAsync(string[] requested, CancellationToken cancel)
    {
        Begin();
        var (told, still) = (new HashSet<string>(StringComparer.Ordinal), clock.GetTimestamp());
        SmokeNext next = new SmokeNext.Wait();
        await UntilAsync(ForImages, $"The images were not ready after {ForImages.TotalMinutes:F0} minutes", async () =>
        {
            List<SmokeOffer> offers = [
                .. (await portal.GetAsync("/templates", cancel))
                    .EnumerateArray()
                    .Select(t => new SmokeOffer(Text(t, "id")!, Text(t, "notAvailable"),
                        t.TryGetProperty("building", out var percent) && percent.ValueKind == JsonValueKind.Number))];
            if (offers.Any(o => o.Building && (requested.Length == 0 || requested.Contains(o.Template, StringComparer.Ordinal)))) still = clock.GetTimestamp();
            next = SmokePlan.Decide(offers, requested, clock.GetElapsedTime(still));
            if (next is SmokeNext.Wait)
                foreach (var line in offers.Where(o => o.NotAvailable is not null).Select(o => $"        {o.Template}: {o.NotAvailable}").Where(told.Add))
                    await say.WriteLineAsync(line);
            return next is not SmokeNext.Wait;
        }, cancel);
        if (next is not SmokeNext.Prove { Templates: var templates, LeftOut: var leftOut }) throw new SmokeException(((SmokeNext.Refuse)next).Why);
        Done($"available: {string.Join(", ", templates)}");
        foreach (var off in leftOut) await say.WriteLineAsync($"        skipped: {SmokePlan.Describe(off)}");
        return templates;
    }

    private async Task ProveAsync(string template, Guid @class, CancellationToken cancel)
    {
        var id = Guid.CreateVersion7(clock.GetUtcNow());
        Begin();
        await portal.PostAsync("/workspaces",
            new
            {
                id,
                classId = @class,
                templateId = template,
                size = "s",
                name = $"Smoke {clock.GetUtcNow():MMdd HHmmss}",
                endAt = clock.GetUtcNow().AddHours(1)
            }, cancel);
        Done($"{template}: requested");
        try
        {
            await WaitForReadyAsync(template, id, cancel);
            await ComputeAsync(template, id, cancel);
        }
        finally
        {
            Begin();
            using var own = new CancellationTokenSource(ForDelete, clock);
            await portal.DeleteAsync($"/workspaces/{id}", own.Token);
            await UntilAsync(ForDelete, $"{template}: not deleted after {ForDelete.TotalMinutes:F0} minutes",
                async () => await portal.FindAsync($"/workspaces/{id}", own.Token) is not { } w || Text(w, "status") is "Deleted", own.Token);
            Done($"{template}: deleted, everything released");
        }
    }

    private async Task WaitForReadyAsync(string template, Guid id, CancellationToken cancel)
    {
        var start = clock.GetTimestamp();
        var told = new HashSet<string>(StringComparer.Ordinal);
        await UntilAsync(ForLaunch, $"{template}: not ready after {ForLaunch.TotalMinutes:F0} minutes", async () =>
        {
            var w = await portal.GetAsync($"/workspaces/{id}", cancel);
            foreach (var step in w.GetProperty("steps").EnumerateArray())
                if (step.GetProperty("ended").ValueKind == JsonValueKind.String && told.Add(Text(step, "key")!))
                    await say.WriteLineAsync(
                        $"{(step.GetProperty("ended").GetDateTimeOffset() - step.GetProperty("began").GetDateTimeOffset()).TotalSeconds,7:F1} s  "
                        + $"{template}:   {Text(step, "key")}");
            return Text(w, "status") switch
            {
                "Ready" => true,
                "Failed" or "Attention" or "Stopped" =>
                    throw new SmokeException($"{template}: {Text(w, "status")}. {Text(w, "cause")} {Text(w, "remedy")}".TrimEnd()),
                _ => false,
            };
        }, cancel);
        await say.WriteLineAsync($"{clock.GetElapsedTime(start).TotalSeconds,7:F1} s  {template}: ready");
    }

    private async Task ComputeAsync(string template, Guid id, CancellationToken cancel)
    {
        Begin();
        var card = (await portal.GetAsync("/templates", cancel)).EnumerateArray().Single(t => t.GetProperty("id").GetString() == template);
        foreach (var app in card.GetProperty("apps").EnumerateArray().Where(a => a.GetProperty("kernels").GetBoolean()))
        {
            using var own = new CancellationTokenSource(ForKernel, clock);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
            var visit = await portal.OpenAsync(id, Text(app, "id")!, until.Token);
            var answer = await Kernel.EvaluateAsync(visit, "6*7", clock, until.Token);
            if (answer != "42") throw new SmokeException($"{template}: the kernel computed 6*7 as {answer}.");
            Done($"{template}: a kernel of {Text(app, "title")} responded");
            await ExamplesAsync(template, visit, cancel);
        }
    }

    /// <summary>
    /// Runs every example notebook of the template, cell by cell; each checks its own result and says so in its last line. The version's own files are
    /// used, because the work folder may hold those of an older version, which are never overwritten.
    /// </summary>
    private async Task ExamplesAsync(string template, AppVisit visit, CancellationToken cancel)
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var own = new CancellationTokenSource(ForExample, clock);
        using var ends = own.Token.Register(until.Cancel);
        var told = await Kernel.RunAsync(visit, folder: null, [TellExamples], clock, until.Token);
        foreach (var (name, cells) in JsonSerializer.Deserialize<SortedDictionary<string, List<string>>>(told)!)
        {
            Begin();
            var last = (await Kernel.RunAsync(visit, $"examples/{template}", cells, clock, until.Token)).Trim().Split('\n')[^1];
            if (!last.StartsWith("All checks passed", StringComparison.Ordinal)) throw new SmokeException($"{template}: {name} ended with \"{last}\".");
            Done($"{template}: {name}: {last}");
        }
    }

    private async Task UntilAsync(TimeSpan longest, string otherwise, Func<Task<bool>> look, CancellationToken cancel)
    {
        var start = clock.GetTimestamp();
        while (!await look())
        {
            if (clock.GetElapsedTime(start) > longest) throw new SmokeException(otherwise + ".");
            await Task.Delay(Look, clock, cancel);
        }
    }

    private void Begin() => _stage = clock.GetTimestamp();

    private void Done(string what) => say.WriteLine($"{clock.GetElapsedTime(_stage).TotalSeconds,7:F1} s  {what}");

    private static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>The installation does not work as it should; the message is for the operator.</summary>
public sealed class SmokeException(string message) : Exception(message);
