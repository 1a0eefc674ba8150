using System.Text;
using Portal.Jobs.Catalog;

namespace Portal.Tests;

public sealed class TemplateFileTests
{
    private static readonly string Shipped = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", "notebook", "template.yaml"));

    [Fact]
    public void Read_ShippedNotebook_HasThreeSizesAndOneApp()
    {
        var (spec, fault) = Read(Shipped);
        fault.ShouldBeNull();
        spec!.Sizes.Select(s => s.Id).ShouldBe(["s", "m", "l"]);
        spec.Apps.Single().Kernels.ShouldBeTrue();
    }

    [Fact]
    public void Read_EveryShippedTemplate_HasNoFault()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates");
        var files = Directory.GetFiles(folder, "template.yaml", SearchOption.AllDirectories);
        files.Length.ShouldBe(5);
        foreach (var file in files)
        {
            var (spec, fault) = TemplateFile.Read(file, File.ReadAllBytes(file));
            fault.ShouldBeNull();
            spec!.Id.ShouldBe(Path.GetFileName(Path.GetDirectoryName(file)));
        }
    }

    [Theory]
    [InlineData("vcpu: 1\n", "vcpu: many\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("vcpu: 1\n", "vcpu: 0\n", 11, "sizes[0].vcpu", "from 1 to 64")]
    [InlineData("vcpu: 1\n", "vcpu: 1.5\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("vcpu: 1\n", "vcpu: \"1\"\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("vcpu: 1\n", "vcpu: 99999999999999999999\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("vcpu: 1\n", "vcpu:\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("vcpu: 1\n", "vcpu: ~\n", 11, "sizes[0].vcpu", "whole number")]
    [InlineData("    vcpu: 1\n", "", 8, "sizes[0].vcpu", "missing")]
    [InlineData("memoryMib: 1024", "memoryMib: 12", 12, "sizes[0].memoryMib", "from 256")]
    [InlineData("title: Notebook\npromise", "title: Notebook\nsurprise: 1\npromise", 4, "surprise", "unknown key")]
    [InlineData("title: Notebook\n", "title: 12\n", 3, "title", "quotes")]
    [InlineData("title: Notebook\n", "title: [a]\n", 3, "title", "text")]
    [InlineData("engine: JupyterLab\n", "engine: JupyterLab\nengine: Other\n", 6, "engine", "twice")]
    [InlineData("token: TOKEN", "token: TO-KEN", 30, "roles[0].token", "variable")]
    [InlineData("command: [start-notebook]", "command: ~", 26, "roles[0].command", "list")]
    [InlineData("command: [start-notebook]", "command: []", 26, "roles[0].command", "items")]
    [InlineData("NOTEBOOK_DIR: /home/student/work", "NOTEBOOK_DIR: [a]", 28, "roles[0].environment.NOTEBOOK_DIR", "text")]
    [InlineData("NOTEBOOK_DIR: /home/student/work", "NOTE BOOK: a", 27, "roles[0].environment", "NOTE BOOK")]
    [InlineData("port: 8888", "port: 88888", 36, "apps[0].port", "65535")]
    [InlineData("path: /lab", "path: lab", 37, "apps[0].path", "begin with /")]
    [InlineData("path: /lab", "health: lab", 37, "apps[0].health", "begin with /")]
    [InlineData("kernels: true", "kernels: perhaps", 38, "apps[0].kernels", "true or false")]
    [InlineData("    role: notebook", "    role: nobody", 35, "apps[0].role", "a role of this template")]
    [InlineData("id: m\n", "id: s\n", 7, "sizes", "same name")]
    [InlineData("id: notebook", "id: ../notebook", 2, "id", "lower-case")]
    [InlineData("id: notebook", "id: other", 2, "id", "name of its folder")]
    [InlineData("title: Notebook\n", "title: !!python/object/apply:os.system [touch /tmp/x]\n", 3, "title", "tag")]
    [InlineData("title: Notebook\n", "title: !<System.Diagnostics.Process> a\n", 3, "title", "tag")]
    [InlineData("title: Notebook\n", "title: &a Notebook\n", 3, "title", "write the value out")]
    [InlineData("title: Notebook\n", "title: *a\n", 3, "title", "write the value out")]
    [InlineData("title: Notebook\npromise", "title: Notebook\n<<: {a: 1}\npromise", 4, "<<", "unknown key")]
    [InlineData("title: Notebook\n", "title: Notebook\n? [a]\n: 1\n", 4, "", "not a plain word")]
    [InlineData("kernels: true\n", "kernels: true\n---\nid: b\n", 39, "", "second document")]
    public void Read_Mistake_NamesFileLineFieldAndReason(string was, string becomes, long line, string field, string reason)
    {
        var (spec, fault) = Read(Shipped.Replace(was, becomes, StringComparison.Ordinal));
        spec.ShouldBeNull();
        fault!.File.ShouldBe("notebook/template.yaml");
        (fault.Line, fault.Field).ShouldBe((line, field), fault.Reason);
        fault.Reason.ShouldContain(reason);
        fault.ToString().ShouldStartWith($"notebook/template.yaml, line {line}: ");
    }

    [Theory]
    [InlineData("count: 3", "count: 25", "roles[1].count", "from 1 to 24")]
    [InlineData("command: [keep], count: 3", "command: [keep], count: 22", "roles", "at most 29 nodes")]
    [InlineData("scratchGib: 3", "scratchGib: 3\n    count: 2", "roles[2].count", "not together with workers")]
    [InlineData("Tasks, role: notebook", "Tasks, role: keeper", "counts[0].role", "a single node")]
    public void Read_CountedRole_HasItsRules(string was, string becomes, string field, string reason)
    {
        var (spec, fault) = TemplateFile.Read("full/template.yaml", Encoding.UTF8.GetBytes(Full.Replace(was, becomes, StringComparison.Ordinal)));
        spec.ShouldBeNull();
        fault!.Field.ShouldBe(field);
        fault.Reason.ShouldContain(reason);
    }

    /// <summary>Its first line tells an editor where the schema is.</summary>
    [Fact]
    public void Shipped_Templates_NameTheSchemaThatIsThere()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates"), "template.yaml", SearchOption.AllDirectories))
        {
            var parts = File.ReadLines(file).First().Split("$schema=");
            parts.Length.ShouldBe(2, file);
            File.Exists(Path.Combine(Path.GetDirectoryName(file)!, parts[1])).ShouldBeTrue(file);
        }
    }

    [Fact]
    public void Read_NoYaml_NamesTheLine()
    {
        var (spec, fault) = Read(Shipped.Replace("sizes:\n", "sizes: [\n", StringComparison.Ordinal));
        spec.ShouldBeNull();
        fault!.Line.ShouldBeInRange(6, 9);
        fault.Reason.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("a: &a [*a]")]
    [InlineData("id: ~")]
    [InlineData("sizes:")]
    [InlineData("sizes: [~]")]
    [InlineData("roles: [{name: a, image: b, command: ~}]")]
    [InlineData("\0\0")]
    [InlineData("? ")]
    [InlineData("- - - - - - - - - - - - - - - - - - - - - - - - - - -")]
    public void Read_NoTemplateAtAll_IsAFaultAndNoException(string text) => Read(text).Fault.ShouldNotBeNull();

    [Fact]
    public void Read_Enormous_IsAFault() => Read(new string('#', 300 * 1024)).Fault!.Reason.ShouldContain("larger");

    [Theory]
    [InlineData("[", "levels deep")]
    [InlineData("{a: ", "levels deep")]
    [InlineData("- ", "levels deep")]
    [InlineData("a: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n", "twice")]
    public void Read_MadeToBeSlow_IsAFaultSoon(string again, string reason)
    {
        var text = string.Concat(Enumerable.Repeat(again, 250 * 1024 / again.Length));
        var start = TimeProvider.System.GetTimestamp();
        Read(text).Fault!.Reason.ShouldContain(reason);
        TimeProvider.System.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(3));
    }

    [Fact]
    public void Read_ManyValues_IsAFault() => Read($"a: [{string.Join(',', Enumerable.Repeat("1", 30_000))}]").Fault!.Reason.ShouldContain("20000 values");

    /// <summary>The schema that editors use knows everything a template can contain, and vice versa.</summary>
    [Fact]
    public void Schema_Keys_AreThoseThatAreRead()
    {
        using var schema = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Catalog", "template.schema.json")));
        var inSchema = new SortedSet<string>(StringComparer.Ordinal);
        Collect(schema.RootElement);
        void Collect(System.Text.Json.JsonElement element)
        {
            if (element.ValueKind is not System.Text.Json.JsonValueKind.Object) return;
            foreach (var property in element.EnumerateObject())
            {
                if (property.NameEquals("properties")) foreach (var key in property.Value.EnumerateObject()) inSchema.Add(key.Name);
                Collect(property.Value);
            }
        }
        var yaml = typeof(TemplateFile).Assembly.GetType("Portal.Jobs.Catalog.TemplateYaml", throwOnError: true)!;
        static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];
        var read = new SortedSet<string>(
            yaml.GetNestedTypes(System.Reflection.BindingFlags.NonPublic).Append(yaml).SelectMany(t => t.GetProperties()).Select(p => Camel(p.Name)),
            StringComparer.Ordinal);
        inSchema.ShouldBe(read);
    }

    [Fact]
    public void Read_EveryKeyThereIs_IsAccepted()
    {
        var (spec, fault) = TemplateFile.Read("full/template.yaml", Encoding.UTF8.GetBytes(Full));
        fault.ShouldBeNull();
        spec!.Version.ShouldBe("4.1");
        spec.Roles[1].Count.ShouldBe(3);
        spec.Roles[2].Workers.ShouldBe(new(1, 8, 2));
        spec.Roles[2].Sizes["s"].ShouldBe(new(2, 512));
        spec.Roles[2].Drain!.Command.ShouldBe(["leave", "{node}", "7"]);
        spec.Roles[2].Registered.Single().Value.ShouldBe("workers");
        spec.Parameters[0].Default.ShouldBe("4");
        spec.Parameters[2].When.ShouldBe(new("deep", "true"));
        spec.Presets[0].Parameters["cores"].ShouldBe("6");
        spec.Counts[0].Busy.ShouldBeTrue();
    }

    private const string Full = """
        # yaml-language-server: $schema=../../template.schema.json
        id: full
        title: Full
        promise: Everything.
        engine: Engine
        version: 4.1
        sizes:
          - {id: s, title: Small, description: Little., vcpu: 1, memoryMib: 512}
        roles:
          - {name: notebook, image: python, command: [start-notebook], token: TOKEN, environment: {A: 1, B: true, C: "x: y"}}
          - {name: keeper, image: python, command: [keep], count: 3}
          - name: worker
            image: python
            command: [work]
            files: false
            pids: 600
            scratchGib: 3
            workers: {min: 1, max: 8, default: 2}
            sizes: {s: {vcpu: 2, memoryMib: 512}}
            health: {port: 8042, path: /node}
            registered: [{id: workers, title: Workers, role: notebook, port: 8787, path: /json, value: workers}]
            drain: {role: notebook, command: [leave, "{node}", 7], minutes: 3}
        apps:
          - {id: lab, title: Notebook, description: Lab, role: notebook, port: 8888, path: /lab, kernels: true}
          - {id: node, title: Node, role: worker, port: 8042, health: /ws}
        parameters:
          - {id: cores, title: Cores, help: How many., type: number, env: CORES, default: 4, min: 1, max: 8.5}
          - {id: deep, title: Deep, type: switch, env: DEEP, default: true}
          - {id: mode, title: Mode, type: choice, env: MODE, default: a, options: [{value: a, title: A}, {value: 2, title: B}],
             when: {parameter: deep, is: true}}
          - {id: word, title: Word, type: text, env: WORD, default: abc, longest: 5, pattern: "[a-z]+"}
        presets:
          - {id: big, title: Big, description: Much., size: s, workers: 3, parameters: {cores: 6}}
        counts:
          - {id: tasks, title: Tasks, role: notebook, port: 8787, path: /json, value: tasks, busy: true}
        """;

    private static (Core.Catalog.TemplateSpec? Spec, TemplateFault? Fault) Read(string text) =>
        TemplateFile.Read("notebook/template.yaml", Encoding.UTF8.GetBytes(text));
}
