using System.Collections.Immutable;
using Portal.Core.Catalog;
using Portal.Core.Quotas;

namespace Portal.Core.Workspaces;

/// <summary>Reservations of one node of a workspace; each part ends separately when it is confirmed gone.</summary>
public static class NodeReservations
{
    public static IEnumerable<Reservation> Of(Workspace workspace, NodeShape node)
    {
        yield return New(workspace, node, ReservationKind.Compute, node.Size.Vcpu, node.Size.MemoryMib, 0);
        if (node.Role.ScratchGib > 0) yield return New(workspace, node, ReservationKind.Scratch, 0, 0, node.Role.ScratchGib);
    }

    /// <summary>vCPU and memory of each node that these reservations are for.</summary>
    public static ImmutableArray<Amounts> Limits(IEnumerable<Reservation> reservations) =>
        [.. reservations.Where(r => r.Kind is ReservationKind.Compute).Select(r => new Amounts(r.Vcpu, r.MemoryMib, 0, 0))];

    private static Reservation New(Workspace workspace, NodeShape node, ReservationKind kind, int vcpu, int memoryMib, int storageGib) => new()
    {
        TenantId = workspace.TenantId,
        ClassId = workspace.ClassId,
        PersonId = workspace.PersonId,
        WorkspaceId = workspace.Id,
        Kind = kind,
        Node = node.Name,
        Vcpu = vcpu,
        MemoryMib = memoryMib,
        StorageGib = storageGib,
    };
}
