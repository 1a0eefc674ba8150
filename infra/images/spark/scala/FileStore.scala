package portal.spark

import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.{FileAlreadyExistsException, Files, NoSuchFileException, Path, Paths, StandardCopyOption, StandardOpenOption}
import java.util.{Collections, List => JList}
import scala.jdk.CollectionConverters._
import scala.util.Using
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{Path => HadoopPath}
import org.apache.hadoop.hive.conf.HiveConf
import org.apache.hadoop.hive.metastore.{ObjectStore, TableType, Warehouse}
import org.apache.hadoop.hive.metastore.api._
import org.apache.hadoop.hive.metastore.partition.spec.PartitionSpecProxy
import org.apache.thrift.{TBase, TDeserializer, TSerializer}
import org.apache.thrift.protocol.TJSONProtocol

/**
 * Hive's catalog as files, one for each database, table, partition and function. Any number of sessions in any number of containers may use it
 * at once without locks. A file is written beside its place and moved there whole, so a reader never sees half of one, and a full disk leaves the
 * old file. The last change to a table wins, as with Hive's own stores. The folder is named by `portal.catalog`.
 *
 * It extends Hive's store only for the many methods that Spark never calls; those would need a database, and fail.
 */
class FileStore extends ObjectStore {
  private var conf: Configuration = _
  private var root: Path = _

  override def setConf(settings: Configuration): Unit = {
    conf = settings
    root = Paths.get(Option(settings.get("portal.catalog")).getOrElse(throw new IllegalArgumentException("portal.catalog is not set")))
  }
  override def getConf: Configuration = conf

  // Each file is complete in itself, so there is nothing to roll back.
  override def openTransaction(): Boolean = true
  override def openTransaction(isolation: String): Boolean = true
  override def commitTransaction(): Boolean = true
  override def isActiveTransaction: Boolean = false
  override def rollbackTransaction(): Unit = ()
  override def shutdown(): Unit = ()
  override def verifySchema(): Unit = ()

  // ---- databases

  override def createDatabase(database: Database): Unit = create(databaseFile(database.getName), database, s"The database ${database.getName}")

  /** "default" always exists, so that a session can start even if nothing can be written. */
  override def getDatabase(name: String): Database = read(databaseFile(name), new Database).getOrElse(
    if (lower(name) != "default") throw new NoSuchObjectException(s"There is no database ${lower(name)}.")
    else new Database("default", "Default Hive database", warehouse, Collections.emptyMap[String, String]))

  override def alterDatabase(name: String, database: Database): Boolean = { getDatabase(name); write(databaseFile(name), database); true }

  override def dropDatabase(name: String): Boolean = { getDatabase(name); Files.deleteIfExists(databaseFile(name)); removeAll(folder(name)); true }

  override def getAllDatabases: JList[String] = (names(root).filter(n => Files.exists(databaseFile(n))) :+ "default").distinct.sorted.asJava

  override def getDatabases(pattern: String): JList[String] = getAllDatabases.asScala.filter(matches(pattern)).asJava

  // ---- tables

  override def createTable(table: Table): Unit = {
    getDatabase(table.getDbName)
    val file = tableFile(table.getDbName, table.getTableName)
    if (!Files.exists(file)) removeAll(partitionsFolder(table.getDbName, table.getTableName)) // left by an interrupted drop
    create(file, table, s"The table ${table.getTableName}")
  }

  override def createTableWithConstraints(table: Table, primary: JList[SQLPrimaryKey], foreign: JList[SQLForeignKey]): Unit = createTable(table)

  override def getTable(database: String, name: String): Table = read(tableFile(database, name), new Table).orNull

  override def alterTable(database: String, name: String, table: Table): Unit = {
    val (from, to) = (tableFile(database, name), tableFile(table.getDbName, table.getTableName))
    if (!Files.exists(from)) throw new InvalidObjectException(s"There is no table ${lower(name)}.")
    if (from == to) write(to, table)
    else {
      create(to, table, s"The table ${table.getTableName}")
      val partitions = partitionsFolder(database, name)
      if (Files.exists(partitions)) move(partitions, partitionsFolder(table.getDbName, table.getTableName))
      Files.deleteIfExists(from)
    }
  }

  override def dropTable(database: String, name: String): Boolean = {
    Files.deleteIfExists(tableFile(database, name))
    removeAll(partitionsFolder(database, name))
    true
  }

  override def getAllTables(database: String): JList[String] = names(folder(database).resolve("tables")).asJava

  override def getTables(database: String, pattern: String): JList[String] = getAllTables(database).asScala.filter(matches(pattern)).asJava

  override def getTables(database: String, pattern: String, kind: TableType): JList[String] =
    getTables(database, pattern).asScala.filter(n => Option(getTable(database, n)).exists(_.getTableType == kind.toString)).asJava

  override def getTableObjectsByName(database: String, wanted: JList[String]): JList[Table] =
    wanted.asScala.flatMap(n => Option(getTable(database, n))).asJava

  override def getTableMeta(databases: String, tables: String, kinds: JList[String]): JList[TableMeta] = (for {
    database <- getDatabases(databases).asScala
    name <- getTables(database, tables).asScala
    table <- Option(getTable(database, name)) if kinds == null || kinds.isEmpty || kinds.contains(table.getTableType)
  } yield new TableMeta(database, name, table.getTableType)).asJava

  override def getIndexes(database: String, table: String, most: Int): JList[Index] = Collections.emptyList[Index]

  // ---- partitions

  override def addPartition(partition: Partition): Boolean = {
    create(partitionFile(partition.getDbName, partition.getTableName, partition.getValues), partition, s"The partition ${partition.getValues}")
    true
  }

  override def addPartitions(database: String, table: String, added: JList[Partition]): Boolean = { added.forEach(p => addPartition(p)); true }

  override def addPartitions(database: String, table: String, added: PartitionSpecProxy, ifNotExists: Boolean): Boolean = {
    val each = added.getPartitionIterator
    while (each.hasNext) {
      val next = each.next()
      if (!ifNotExists || !doesPartitionExist(database, table, next.getValues)) addPartition(next)
    }
    true
  }

  override def getPartition(database: String, table: String, values: JList[String]): Partition =
    partitionAt(database, table, partitionFile(database, table, values))
      .getOrElse(throw new NoSuchObjectException(s"${lower(table)} has no partition $values."))

  override def getPartitionWithAuth(database: String, table: String, values: JList[String], user: String, groups: JList[String]): Partition =
    getPartition(database, table, values)

  override def doesPartitionExist(database: String, table: String, values: JList[String]): Boolean = Files.exists(partitionFile(database, table, values))

  override def dropPartition(database: String, table: String, values: JList[String]): Boolean = {
    removeAll(partitionFile(database, table, values).getParent)
    true
  }

  override def dropPartitions(database: String, table: String, dropped: JList[String]): Unit =
    dropped.forEach(n => removeAll(partitionsFolder(database, table).resolve(n)))

  override def getPartitions(database: String, table: String, most: Int): JList[Partition] = some(partitions(database, table), most)

  override def getPartitionsWithAuth(database: String, table: String, most: Short, user: String, groups: JList[String]): JList[Partition] =
    getPartitions(database, table, most)

  /** Returns all of them: Spark filters them again. */
  override def getPartitionsByFilter(database: String, table: String, filter: String, most: Short): JList[Partition] = getPartitions(database, table, -1)

  override def getPartitionsByNames(database: String, table: String, wanted: JList[String]): JList[Partition] =
    wanted.asScala.flatMap(n => partitionAt(database, table, partitionsFolder(database, table).resolve(n).resolve(PartitionName))).asJava

  override def listPartitionNames(database: String, table: String, most: Short): JList[String] = some(partitionNames(database, table), most)

  override def listPartitionNamesPs(database: String, table: String, values: JList[String], most: Short): JList[String] =
    some(partitionNames(database, table).filter(n => fits(Warehouse.getPartValuesFromPartName(n), values)), most)

  override def listPartitionsPsWithAuth(
      database: String, table: String, values: JList[String], most: Short, user: String, groups: JList[String]): JList[Partition] =
    some(partitions(database, table).filter(p => fits(p.getValues, values)), most)

  override def alterPartition(database: String, table: String, values: JList[String], partition: Partition): Unit = {
    val (from, to) = (partitionFile(database, table, values), partitionFile(database, table, partition.getValues))
    if (!Files.exists(from)) throw new InvalidObjectException(s"${lower(table)} has no partition $values.")
    if (from == to) write(to, partition)
    else {
      create(to, partition, s"The partition ${partition.getValues}")
      removeAll(from.getParent)
    }
  }

  override def alterPartitions(database: String, table: String, values: JList[JList[String]], altered: JList[Partition]): Unit =
    values.asScala.zip(altered.asScala).foreach { case (v, p) => alterPartition(database, table, v, p) }

  // ---- functions

  override def createFunction(function: Function): Unit =
    create(functionFile(function.getDbName, function.getFunctionName), function, s"The function ${function.getFunctionName}")

  override def getFunction(database: String, name: String): Function = read(functionFile(database, name), new Function).orNull

  override def alterFunction(database: String, name: String, function: Function): Unit = {
    write(functionFile(function.getDbName, function.getFunctionName), function)
    if (functionFile(database, name) != functionFile(function.getDbName, function.getFunctionName)) Files.deleteIfExists(functionFile(database, name))
  }

  override def dropFunction(database: String, name: String): Unit = Files.deleteIfExists(functionFile(database, name))

  override def getFunctions(database: String, pattern: String): JList[String] = names(folder(database).resolve("functions")).filter(matches(pattern)).asJava

  override def getAllFunctions: JList[Function] = (for {
    database <- getAllDatabases.asScala
    name <- getFunctions(database, "*").asScala
    function <- Option(getFunction(database, name))
  } yield function).asJava

  // ---- roles, privileges and statistics: not needed, because a catalog has one user

  override def addRole(name: String, owner: String): Boolean = true
  override def grantPrivileges(privileges: PrivilegeBag): Boolean = true
  override def getUserPrivilegeSet(user: String, groups: JList[String]): PrincipalPrivilegeSet = new PrincipalPrivilegeSet
  override def getDBPrivilegeSet(database: String, user: String, groups: JList[String]): PrincipalPrivilegeSet = new PrincipalPrivilegeSet
  override def getTablePrivilegeSet(database: String, table: String, user: String, groups: JList[String]): PrincipalPrivilegeSet = new PrincipalPrivilegeSet
  override def getTableColumnStatistics(database: String, table: String, columns: JList[String]): ColumnStatistics = null
  override def getPartitionColumnStatistics(database: String, table: String, parts: JList[String], columns: JList[String]): JList[ColumnStatistics] =
    Collections.emptyList[ColumnStatistics]
  override def deleteTableColumnStatistics(database: String, table: String, column: String): Boolean = true
  override def deletePartitionColumnStatistics(database: String, table: String, part: String, values: JList[String], column: String): Boolean = true
  override def getPrimaryKeys(database: String, table: String): JList[SQLPrimaryKey] = Collections.emptyList[SQLPrimaryKey]
  override def cleanupEvents(): Long = 0

  // ---- files

  private def warehouse: String = {
    val folder = new HadoopPath(HiveConf.getVar(conf, HiveConf.ConfVars.METASTOREWAREHOUSE))
    folder.getFileSystem(conf).makeQualified(folder).toString
  }

  private final val PartitionName = ".partition" // cannot clash with the name of a partition folder
  private def lower(name: String) = name.toLowerCase(java.util.Locale.ROOT)
  private def folder(database: String) = root.resolve(lower(database))
  private def databaseFile(database: String) = folder(database).resolve("database")
  private def tableFile(database: String, table: String) = folder(database).resolve("tables").resolve(lower(table))
  private def functionFile(database: String, function: String) = folder(database).resolve("functions").resolve(lower(function))
  private def partitionsFolder(database: String, table: String) = folder(database).resolve("partitions").resolve(lower(table))

  /** The folders have the same names as those of the partition's data. */
  private def partitionFile(database: String, table: String, values: JList[String]): Path = {
    val columns = Option(getTable(database, table)).getOrElse(throw new InvalidObjectException(s"There is no table ${lower(table)}.")).getPartitionKeys
    partitionsFolder(database, table).resolve(Warehouse.makePartName(columns, values)).resolve(PartitionName)
  }

  private def partitionNames(database: String, table: String): Seq[String] = {
    val within = partitionsFolder(database, table)
    walk(within).filter(_.getFileName.toString == PartitionName).map(p => within.relativize(p.getParent).toString).sorted
  }

  private def partitions(database: String, table: String): Seq[Partition] =
    partitionNames(database, table).flatMap(n => partitionAt(database, table, partitionsFolder(database, table).resolve(n).resolve(PartitionName)))

  /** Sets the names again, because the table may have been renamed since. */
  private def partitionAt(database: String, table: String, file: Path): Option[Partition] = read(file, new Partition).map { p =>
    p.setDbName(lower(database))
    p.setTableName(lower(table))
    p
  }

  private def fits(values: JList[String], wanted: JList[String]) = wanted.asScala.zip(values.asScala).forall { case (want, has) => want.isEmpty || want == has }

  private def some[T](found: Seq[T], most: Int): JList[T] = (if (most < 0) found else found.take(most)).asJava

  /** Hive's patterns: alternatives separated by "|", "*" for any characters. */
  private def matches(pattern: String)(name: String) = pattern == null || pattern.split('|').exists(p => name.matches("(?i)" + p.replace("*", ".*")))

  private def names(folder: Path): Seq[String] =
    try Using.resource(Files.list(folder))(_.iterator.asScala.map(_.getFileName.toString).filter(!_.startsWith(".")).toVector.sorted)
    catch { case _: NoSuchFileException => Seq.empty }

  private def walk(folder: Path): Seq[Path] =
    try Using.resource(Files.walk(folder))(_.iterator.asScala.toVector)
    catch { case _: NoSuchFileException => Seq.empty }

  private def removeAll(folder: Path): Unit = walk(folder).reverse.foreach(Files.deleteIfExists(_))

  private def read[T <: TBase[_, _]](file: Path, into: T): Option[T] =
    try {
      new TDeserializer(new TJSONProtocol.Factory).deserialize(into, Files.readAllBytes(file))
      Some(into)
    } catch { case _: NoSuchFileException => None }

  private def create(file: Path, value: TBase[_, _], what: String): Unit =
    try beside(file, value)(Files.createLink(file, _))
    catch { case _: FileAlreadyExistsException => throw new InvalidObjectException(s"$what already exists.") }

  private def write(file: Path, value: TBase[_, _]): Unit = beside(file, value)(move(_, file))

  private def move(from: Path, to: Path): Unit = {
    Files.createDirectories(to.getParent)
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE)
  }

  /** Writes a temporary file, syncs it to disk and puts it in place. */
  private def beside(file: Path, value: TBase[_, _])(place: Path => Unit): Unit =
    try {
      Files.createDirectories(file.getParent)
      val whole = Files.createTempFile(file.getParent, ".", "")
      try {
        Using.resource(FileChannel.open(whole, StandardOpenOption.WRITE)) { channel =>
          val bytes = ByteBuffer.wrap(new TSerializer(new TJSONProtocol.Factory).serialize(value))
          while (bytes.hasRemaining) channel.write(bytes)
          channel.force(true)
        }
        place(whole)
      } finally Files.deleteIfExists(whole)
    } catch {
      case e: IOException if !e.isInstanceOf[FileAlreadyExistsException] => throw new MetaException(s"The catalog in $root cannot be written: ${e.getMessage}")
    }
}
