using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using Portal.Tests.Infra;

namespace Portal.Tests;

/// <summary>The folders directly in a project, its rooms, use each other without cycles: each can be read after those it uses.</summary>
public sealed partial class RoomsTests
{
    [Fact]
    public void RoomsOfCore_HaveNoCycles() => KnotOf("Portal.Core").ShouldBeEmpty();

    [Fact]
    public void RoomsOfJobs_HaveNoCycles() => KnotOf("Portal.Jobs").ShouldBeEmpty();

    [Fact]
    public void Knot_ItselfIsSeen() =>
        Knot([("Door", "A", ""), ("A", "B", ""), ("B", "C", ""), ("C", "A", ""), ("C", "Floor", "")]).ShouldBe(["A -> B: ", "B -> C: ", "C -> A: "]);

    private static string KnotOf(string project) => string.Join('\n', Knot([.. Compiled(project), .. Written(project)]));

    /// <summary>What remains once every room that uses no other, and every room that no other uses, is gone: cycles, and what connects them.</summary>
    private static IReadOnlyList<string> Knot(IReadOnlyCollection<(string From, string To, string Why)> uses)
    {
        var left = uses.Where(u => u.From != u.To).ToHashSet();
        while (left.RemoveWhere(u => left.All(o => o.From != u.To) || left.All(o => o.To != u.From)) > 0) { }
        return [.. left.GroupBy(u => (u.From, u.To), u => u.Why)
            .Select(g => $"{g.Key.From} -> {g.Key.To}: {string.Join(", ", g.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))}")
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>What types use. The namespace of the project itself counts as a room, the last one: it puts the others together.</summary>
    private static IEnumerable<(string From, string To, string Why)> Compiled(string project) =>
        from type in DirectionTests.Built.Types
        from used in type.Dependencies.Select(d => d.Target).Distinct()
        let rooms = (From: RoomOf(type, project), To: RoomOf(used, project))
        where rooms.From is not null && rooms.To is not null
        select (rooms.From, rooms.To, $"{type.Name} uses {used.Name}");

    /// <summary>What files import, because nothing of a constant is left in the assembly.</summary>
    private static IEnumerable<(string From, string To, string Why)> Written(string project) =>
        from folder in Directory.EnumerateDirectories(Path.Combine(Script.Root(), project))
        from file in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
        from line in File.ReadLines(file)
        let import = Import().Match(line)
        where import.Success && import.Groups["project"].Value == project
        select (Path.GetFileName(folder), import.Groups["room"].Value, $"{Path.GetFileName(file)} imports");

    /// <summary>Null for what is not of the project; parameters of generic types have no namespace.</summary>
    private static string? RoomOf(IType type, string project) => type.Namespace?.FullName switch
    {
        { } name when name == project => project,
        { } name when name.StartsWith(project + ".", StringComparison.Ordinal) => name.Split('.')[2],
        _ => null,
    };

    [GeneratedRegex(@"^using [^(]*\b(?<project>Portal\.\w+)\.(?<room>\w+)", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Import();
}
