using System.Text;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Clouds;
using Portal.Jobs.Catalog;
using Portal.Jobs.Steps;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Catalog;

/// <summary>What a student types into a parameter reaches the node's processes unchanged, and no shell and no YAML parser reads it.</summary>
public sealed class HostileParameterTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private static readonly string[] Values =
    [
        "$(touch /tmp/x)", "`touch /tmp/x`", "; touch /tmp/x #", "& touch /tmp/x &", "| touch /tmp/x", "' ; touch /tmp/x ; '",
        "\" ; touch /tmp/x ; \"", "${IFS}touch${IFS}/tmp/x", "\\n; touch /tmp/x",
        "!!python/object/apply:os.system ['touch /tmp/x']", "&a [*a]", "{{ 7*7 }} %(x)s {0}", "../../etc/passwd", "-c 'touch /tmp/x'", "PATH=/tmp",
        "a=b=c", "ünï ☃ \u202e", "",
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Launch_HostileValues_ArriveVerbatimAndNothingIsRun()
    {
        var lab = fixture.Lab;
        var spec = Spec();
        var given = Values.Select((v, i) => (Id: $"p{i}", Value: v)).ToDictionary(p => p.Id, p => p.Value, StringComparer.Ordinal);
        ParameterPolicy.Fault(spec, given).ShouldBeNull();
        var (mount, _, access) = await lab.WorkAsync(Guid.CreateVersion7(), 300_017);
        mount.ShouldNotBeEmpty();
        var work = (FolderRef.Work)access.Folder;
        var workspace = new Workspace
        {
            Id = access.Workspace,
            Slug = "abcdefghij",
            Name = "hostile",
            SizeId = "s",
            ClassId = work.Class,
            PersonId = work.Person,
            Parameters = given
        };
        typeof(Workspace).GetProperty(nameof(Workspace.Generation))!.SetValue(workspace, 1);
        typeof(Workspace).GetProperty(nameof(Workspace.Subnet))!.SetValue(workspace, await lab.SubnetAsync());
        var person = new Core.People.Person { Id = work.Person, Issuer = "test", Subject = "hostile", Name = "Hostile" };
        typeof(Core.People.Person).GetProperty(nameof(person.Uid))!.SetValue(person, 300_017);
        var version = new TemplateVersion { TemplateId = spec.Id, Hash = new('a', 64), Spec = spec };
        var facts = new RunFacts(workspace, null!, null!, person, version, null!,
            new Dictionary<string, string>(StringComparer.Ordinal) { ["python"] = await lab.PythonAsync() })
        { Kits = new([lab.Kit("local")]), PoolKey = "local", SizeId = "s", Workers = 0 };
        var plans = new ClusterPlans(new AppToken(new byte[32]), new TemplateStore(Path.Combine(lab.Mounts, "none")));
        var plan = plans.Make(facts, workspace, await plans.AllowAsync(facts, workspace, Cancel));
        await lab.Clusters.EnsureAsync(plan, Cancel);

        // The notebook server itself, which comes after every program that starts it.
        await Eventually.HoldsAsync(async () =>
            (await lab.InsideAsync(plan, "notebook", "python3", "-c",
                "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/api')")).Code == 0, "the notebook answers", 60);
        var (output, code) = await lab.PythonInsideAsync(plan, "notebook", """
            import glob, os
            for f in glob.glob('/proc/[0-9]*/environ'):
                if f.split('/')[2] == str(os.getpid()): continue
                for line in open(f, 'rb').read().split(b'\0'):
                    if line.startswith(b'P_'): print(f.split('/')[2], line.hex())
            print('made', os.path.exists('/tmp/x'))
            """);
        code.ShouldBe(0, output);
        output.ShouldContain("made False");
        var processes = output.Split('\n')
            .Where(l => !l.StartsWith("made", StringComparison.Ordinal))
            .Select(l => l.Split(' '))
            .GroupBy(l => l[0], l => Encoding.UTF8.GetString(Convert.FromHexString(l[1])))
            .ToList();
        processes.Count.ShouldBeGreaterThan(0);
        foreach (var process in processes)
            process.Order(StringComparer.Ordinal).ShouldBe(Values.Select((v, i) => $"P_{i}={v}").Order(StringComparer.Ordinal), $"process {process.Key}");
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData("a\rb")]
    [InlineData("\u001b[2J")]
    public void Fault_ControlCharacters_AreRefusedBeforeAnything(string value) =>
        ParameterPolicy.Fault(Spec(), new Dictionary<string, string>(StringComparer.Ordinal) { ["p0"] = value })!.Mistake.ShouldBe(ParameterMistake.NotAllowed);

    private static TemplateSpec Spec()
    {
        var parameters = string.Join('\n', Values.Select((_, i) => $"  - {{id: p{i}, title: P, type: text, env: P_{i}, default: safe}}"));
        var yaml = $"{TestCatalog.Yaml("hostile")}\nparameters:\n{parameters}\n".Replace("memoryMib: 512", "memoryMib: 768", StringComparison.Ordinal);
        var (spec, fault) = TemplateFile.Read("hostile/template.yaml", Encoding.UTF8.GetBytes(yaml));
        fault.ShouldBeNull();
        return spec!;
    }
}
