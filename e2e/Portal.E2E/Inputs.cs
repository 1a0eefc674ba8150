using Microsoft.Playwright;

namespace Portal.E2E;

/// <param name="Kind">What a person does with it: text, number, slider, radios, switch or select; anything else is unknown.</param>
/// <param name="Name">Its label.</param>
/// <param name="Selector">Of its element; of all elements of a group of radio buttons.</param>
public sealed record Input(string Kind, string Name, string Selector);

/// <summary>Inputs are found in the page itself, so a new one is tried without being listed anywhere, and operated as a person in a hurry does.</summary>
public static class Inputs
{
    /// <summary>What a person can enter or choose; buttons and links are none.</summary>
    private const string Find = """
        part => {
          const some = "input:not([type=hidden]), textarea, select, [contenteditable]:not([contenteditable=false]), "
            + ["textbox", "searchbox", "combobox", "spinbutton", "slider", "switch", "checkbox", "radio"].map(r => `[role=${r}]`);
          const kinds = { text: "text", number: "number", range: "slider", radio: "radios", checkbox: "switch" };
          const all = new Map();
          for (const e of part.querySelectorAll(some)) {
            if (e.disabled || !e.getClientRects().length) continue;
            const kind = e.matches("textarea") ? "text" : e.matches("select") ? "select" : e.matches("input") ? kinds[e.type] ?? "unknown" : "unknown";
            if (kind !== "radios") e.dataset.tried ??= String(window.tried = (window.tried ?? 0) + 1);
            const selector = kind === "radios" ? `input[name="${CSS.escape(e.name)}"]` : `[data-tried="${e.dataset.tried}"]`;
            const label = kind === "radios" ? e.name : e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent.trim() ?? e.id;
            all.set(selector, [kind, kind === "unknown" ? e.outerHTML.slice(0, 200) : label.replace(/\s+/g, " "), selector]);
          }
          return [...all.values()];
        }
        """;

    /// <summary>Notes every time that a script gives an input another value or state than it has. A person's own keys and clicks do not count.</summary>
    public const string Watch = """
        for (const [type, name] of [[HTMLInputElement, "value"], [HTMLInputElement, "checked"], [HTMLTextAreaElement, "value"], [HTMLSelectElement, "value"]]) {
          const own = Object.getOwnPropertyDescriptor(type.prototype, name);
          Object.defineProperty(type.prototype, name, { ...own, set(value) {
            const before = own.get.call(this);
            own.set.call(this, value);
            const after = own.get.call(this);
            if (this.isConnected && before !== after) (window.written ??= []).push({ element: this, words: `${before} → ${after}` });
          } });
        }
        """;

    /// <summary>All inputs of this part that can be seen and operated.</summary>
    public static async Task<IReadOnlyList<Input>> FindAsync(ILocator part) =>
        [.. (await part.EvaluateAsync<string[][]>(Find)).Select(i => new Input(i[0], i[1], i[2]))];

    /// <summary>What they contain now, by kind and label.</summary>
    public static async Task<IReadOnlyList<string>> ReadAsync(ILocator part)
    {
        List<string> all = [];
        foreach (var input in await FindAsync(part))
            all.Add($"{input.Kind} {input.Name}: " + await part.Locator(input.Selector).EvaluateAllAsync<string>(
                "all => all[0].type === 'radio' ? all.find(e => e.checked)?.value : all[0].type === 'checkbox' ? String(all[0].checked) : all[0].value"));
        return all;
    }
}

/// <summary>Operates one input as a person in a hurry does, on a slow connection.</summary>
public sealed class InputTrial(Input input, IPage page, SlowConnection line)
{
    private static readonly int[] Pauses = [20, 60, 110, 160, 210, 20, 20];

    private readonly ILocator _field = page.Locator(input.Selector);
    private readonly List<string> _lost = [];

    /// <summary>What was lost or taken back; nothing if all is as the person left it.</summary>
    public async Task<IReadOnlyList<string>> RunAsync()
    {
        await page.EvaluateAsync("() => { window.written = []; }");
        await (input.Kind switch
        {
            "text" => TypeAsync(["catalogue and more", "thought"]),
            "number" => TypeAsync(["12345678", "8765"]),
            "slider" => SlideAsync(),
            "radios" => ChooseAsync(),
            "switch" => ToggleAsync(),
            "select" => SelectAsync(),
            _ => throw new InvalidOperationException($"No one knows how to try this input: {input.Name}"),
        });
        _lost.AddRange(await _field.EvaluateAllAsync<string[]>("all => written.filter(w => all.includes(w.element)).map(w => `taken back: ${w.words}`)"));
        return _lost;
    }

    private async Task PressAsync(string key, int pause) => await page.Keyboard.PressAsync(key, new() { Delay = pause });

    private async Task MustBeAsync(string wanted, Func<Task<string>> read, string what)
    {
        await line.RestAsync();
        if (await read() is var found && found != wanted) _lost.Add($"{what}: {wanted} became {found}");
    }

    // First quickly, then with pauses between letters.
    private async Task TypeAsync(string[] words)
    {
        foreach (var (word, pause) in words.Zip((int[])[40, 330]))
        {
            await _field.FocusAsync();
            await page.Keyboard.PressAsync("Control+a");
            await page.Keyboard.TypeAsync(word, new() { Delay = pause });
            await MustBeAsync(word, () => _field.InputValueAsync(), "typed");
        }
    }

    private async Task SlideAsync()
    {
        var (least, most) = await _field.EvaluateAsync<int[]>("e => [+e.min, +e.max]") is [var min, var max] ? (min, max) : (0, 0);
        await _field.FocusAsync();
        await PressAsync("Home", 0);
        await MustBeAsync($"{least}", () => _field.InputValueAsync(), "Home");
        var at = least;
        foreach (var keys in (string[])["+++", "--+", "+-+-++", "---+"])
        {
            foreach (var (key, pause) in keys.Zip(Pauses))
            {
                await PressAsync(key == '+' ? "ArrowRight" : "ArrowLeft", pause);
                at = Math.Clamp(at + (key == '+' ? 1 : -1), least, most);
            }
            await MustBeAsync($"{at}", () => _field.InputValueAsync(), keys);
        }
    }

    private async Task ChooseAsync()
    {
        var enabled = await _field.EvaluateAllAsync<string[]>("all => all.filter(e => !e.disabled).map(e => e.value)");
        Task<string> ReadAsync() => _field.EvaluateAllAsync<string>("all => all.find(e => e.checked)?.value ?? ''");
        var at = Array.IndexOf(enabled, await ReadAsync());
        at.ShouldBeGreaterThanOrEqualTo(0, $"one of {input.Name} is chosen");
        await _field.And(page.Locator(":checked")).FocusAsync();
        foreach (var keys in (string[])["+-+", "++-", "-++-", "+++-+"])
        {
            foreach (var (key, pause) in keys.Zip(Pauses))
            {
                await PressAsync(key == '+' ? "ArrowDown" : "ArrowUp", pause);
                at = (at + (key == '+' ? 1 : enabled.Length - 1)) % enabled.Length;
            }
            await MustBeAsync(enabled[at], ReadAsync, keys);
        }
    }

    private async Task ToggleAsync()
    {
        async Task<string> ReadAsync() => await _field.IsCheckedAsync() ? "on" : "off";
        var on = await _field.IsCheckedAsync();
        await _field.FocusAsync();
        foreach (var keys in (string[])["s", "ss", "sss", "sc", "cs", "cc", "scs", .. on ? (string[])["s"] : []])
        {
            foreach (var (key, pause) in keys.Zip(Pauses))
            {
                if (key == 's') await PressAsync("Space", pause);
                else await _field.ClickAsync(new() { Force = true, Delay = pause });
                on = !on;
            }
            await MustBeAsync(on ? "on" : "off", ReadAsync, keys);
        }
    }

    private async Task SelectAsync()
    {
        var values = await _field.EvaluateAsync<string[]>("e => [...e.options].map(o => o.value)");
        await _field.SelectOptionAsync(values[0]);
        await _field.FocusAsync();
        var at = 0;
        foreach (var keys in (string[])["+++", "-+-", "+-++"])
        {
            foreach (var (key, pause) in keys.Zip(Pauses))
            {
                await PressAsync(key == '+' ? "ArrowDown" : "ArrowUp", pause);
                at = Math.Clamp(at + (key == '+' ? 1 : -1), 0, values.Length - 1);
            }
            await MustBeAsync(values[at], () => _field.InputValueAsync(), keys);
        }
    }
}
