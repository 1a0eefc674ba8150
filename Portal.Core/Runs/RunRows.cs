using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>The rows of runs.</summary>
public static class RunRows
{
    extension(PortalDb db)
    {
        public DbSet<Run> Runs => db.Set<Run>();
        public DbSet<RunStep> RunSteps => db.Set<RunStep>();
    }
}
