using Portal.Core.Catalog;

namespace Portal.Jobs.Catalog;

/// <summary>A template.yaml as written; <see cref="TemplateSpec"/> explains the keys.</summary>
internal sealed class TemplateYaml
{
    public string Id { get; set; } = "";
    public string Title { get; set; } = "";
    public string Promise { get; set; } = "";
    public string Engine { get; set; } = "";
    public string Version { get; set; } = "";
    public List<SizeYaml> Sizes { get; set; } = [];
    public List<RoleYaml> Roles { get; set; } = [];
    public List<AppYaml> Apps { get; set; } = [];
    public List<ParameterYaml> Parameters { get; set; } = [];
    public List<PresetYaml> Presets { get; set; } = [];
    public List<CountYaml> Counts { get; set; } = [];

    public TemplateSpec Spec() =>
        new(Id, Title, Promise, Engine, Version, [.. Sizes.Select(s => new SizeSpec(s.Id, s.Title, s.Description, s.Vcpu, s.MemoryMib))],
            [.. Roles.Select(r => r.Spec())], [.. Apps.Select(a => a.Spec())])
        {
            Parameters = [.. Parameters.Select(p => p.Spec())],
            Presets = [.. Presets.Select(p => new PresetSpec(p.Id, p.Title, p.Description, p.Size, p.Workers, p.Parameters))],
            Counts = [.. Counts.Select(c => c.Spec())],
        };

    internal sealed class SizeYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Description { get; set; } = "";
        public int Vcpu { get; set; }
        public int MemoryMib { get; set; }
    }

    internal sealed class AmountsYaml
    {
        public int Vcpu { get; set; }
        public int MemoryMib { get; set; }
    }

    internal sealed class WorkersYaml
    {
        public int Min { get; set; } = 1;
        public int Max { get; set; }
        public int Default { get; set; }
    }

    internal sealed class HealthYaml
    {
        public int Port { get; set; }
        public string Path { get; set; } = "/";
    }

    internal sealed class CountYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Role { get; set; } = "";
        public int Port { get; set; }
        public string Path { get; set; } = "";
        public string Value { get; set; } = "";
        public bool Busy { get; set; }

        public CountSpec Spec() => new(Id, Title, Role, Port, Path, Value, Busy);
    }

    internal sealed class DrainYaml
    {
        public string Role { get; set; } = "";
        public List<string> Command { get; set; } = [];
        public int Minutes { get; set; } = 5;
    }

    internal sealed class RoleYaml
    {
        public string Name { get; set; } = "";
        public string Image { get; set; } = "";
        public List<string> Command { get; set; } = [];
        public Dictionary<string, string> Environment { get; set; } = new(StringComparer.Ordinal);
        public string? Token { get; set; }
        public WorkersYaml? Workers { get; set; }
        public int Count { get; set; } = 1;
        public Dictionary<string, AmountsYaml> Sizes { get; set; } = new(StringComparer.Ordinal);
        public int ScratchGib { get; set; }
        public string? ScratchRemedy { get; set; }
        public bool Files { get; set; } = true;
        public int Pids { get; set; } = 512;
        public HealthYaml? Health { get; set; }
        public List<CountYaml> Registered { get; set; } = [];
        public DrainYaml? Drain { get; set; }

        public RoleSpec Spec() => new(Name, Image, [.. Command], Environment, Token)
        {
            Workers = Workers is null ? null : new(Workers.Min, Workers.Max, Workers.Default),
            Count = Count,
            Sizes = Sizes.ToDictionary(s => s.Key, s => new NodeSize(s.Value.Vcpu, s.Value.MemoryMib), StringComparer.Ordinal),
            ScratchGib = ScratchGib,
            ScratchRemedy = ScratchRemedy,
            Files = Files,
            Pids = Pids,
            Health = Health is null ? null : new(Health.Port, Health.Path),
            Registered = [.. Registered.Select(r => r.Spec())],
            Drain = Drain is null ? null : new(Drain.Role, [.. Drain.Command], Drain.Minutes),
        };
    }

    internal sealed class AppYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Description { get; set; } = "";
        public string Role { get; set; } = "";
        public int Port { get; set; }
        public string Path { get; set; } = "/";
        public string? Health { get; set; }
        public bool Kernels { get; set; }

        public AppSpec Spec() => new(Id, Title, Description, Role, Port, Path, Kernels) { Health = Health };
    }

    internal sealed class OptionYaml
    {
        public string Value { get; set; } = "";
        public string Title { get; set; } = "";
    }

    internal sealed class WhenYaml
    {
        public string Parameter { get; set; } = "";
        public string Is { get; set; } = "";
    }

    internal sealed class ParameterYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Help { get; set; } = "";
        public ParameterType Type { get; set; }
        public string Env { get; set; } = "";
        public string Default { get; set; } = "";
        public decimal? Min { get; set; }
        public decimal? Max { get; set; }
        public int Longest { get; set; } = 200;
        public string? Pattern { get; set; }
        public List<OptionYaml> Options { get; set; } = [];
        public WhenYaml? When { get; set; }

        public ParameterSpec Spec() => new(Id, Title, Help, Type, Env, Default)
        {
            Min = Min,
            Max = Max,
            Longest = Longest,
            Pattern = Pattern,
            Options = [.. Options.Select(o => new OptionSpec(o.Value, o.Title))],
            When = When is null ? null : new(When.Parameter, When.Is),
        };
    }

    internal sealed class PresetYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Description { get; set; } = "";
        public string Size { get; set; } = "";
        public int? Workers { get; set; }
        public Dictionary<string, string> Parameters { get; set; } = new(StringComparer.Ordinal);
    }
}
