using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Workspaces;

/// <summary>The rows of workspaces.</summary>
public static class WorkspaceRows
{
    extension(PortalDb db)
    {
        public DbSet<Workspace> Workspaces => db.Set<Workspace>();
        public DbSet<NodeRow> Nodes => db.Set<NodeRow>();
        public DbSet<LogLine> LogLines => db.Set<LogLine>();
        public DbSet<SubnetHold> Subnets => db.Set<SubnetHold>();
    }
}
